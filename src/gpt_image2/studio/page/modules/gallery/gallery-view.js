// The gallery: a grid of which only the seen rows are drawn, moved through with the arrow keys.
import { language, t } from "../i18n.js";
import { chosen, gallery, hidden, looked } from "../store.js";
import { Component, computed, createRef, html, mount, signal } from "../view.js";
import { CardView } from "./card-view.js";
import { star } from "./collecting.js";
import { need } from "./loading.js";

const LEAST_PX = 190;
const GAP_PX = 12;
const WORDS_PX = 54;
const SPARE_ROWS = 2;
/** Faster than that, in pixels a millisecond, nobody makes out a picture: none is fetched for what passes by. */
const FLYING = 5;
const SETTLED_MS = 80;

/** What is seen of the grid, in pixels. */
const view = signal({ width: 0, height: 0, top: 0, isFlying: false });

/** Cards whose file is not there any more, by id. */
export const gone = signal(/** @type {ReadonlySet<string>} */ (new Set()));

/** The place that has the keyboard. */
export const focused = signal(0);

const isEmpty = computed(() => !gallery.value.total);

/** The measures of the grid, from its width. @param {number} width */
function measures(width) {
  const columns = Math.max(2, Math.floor((width + GAP_PX) / (LEAST_PX + GAP_PX)));
  const cell = Math.floor((width - GAP_PX * (columns - 1)) / columns);
  return { columns, cell, row: cell + WORDS_PX + GAP_PX };
}

/** The places to draw, from the first to before the last. @param {{ width: number, height: number, top: number }} seen */
function span({ width, height, top }) {
  const { columns, row } = measures(width);
  const first = Math.max(0, Math.floor(top / row) - SPARE_ROWS) * columns;
  return { first, last: first + Math.ceil(height / row + 2 * SPARE_ROWS + 1) * columns };
}

/** @param {string} id whether a card is chosen or not is turned round */
export function choose(id) {
  const now = chosen.peek();
  chosen.value = now.includes(id) ? now.filter((each) => each !== id) : [...now, id];
}

/** @type {import("./card-view.js").CardActs} */
const ACTS = {
  focus: (at) => focused.peek() !== at && (focused.value = at),
  look: (card) => (looked.value = card),
  choose,
  star: (card) => star([card.id], !card.is_starred),
  lose: (id) => (gone.value = new Set([...gone.peek(), id])),
};

/** The grid in its frame, which it knows the size of without asking the browser to lay out anything. */
export class Gallery extends Component {
  frame = createRef();
  moved = { top: 0, at_ms: 0, fast: 0 };
  settling = 0;

  componentDidMount() {
    const frame = this.frame.current;
    if (!frame) return;
    mount(Grid, frame);
    new ResizeObserver(() => this.resized(frame)).observe(frame);
    frame.addEventListener("scroll", () => this.scrolled(frame.scrollTop), { passive: true });
    frame.addEventListener("keydown", (event) => this.onKey(frame, event));
    this.resized(frame);
  }

  /** @param {HTMLElement} frame */
  resized(frame) {
    const { paddingLeft, paddingRight } = getComputedStyle(frame);
    const width = frame.clientWidth - Number.parseFloat(paddingLeft) - Number.parseFloat(paddingRight);
    this.see({ ...view.peek(), width, height: frame.clientHeight, top: frame.scrollTop });
  }

  /** @param {number} top */
  scrolled(top) {
    const now = performance.now();
    const { moved } = this;
    const isFast = Math.abs(top - moved.top) > FLYING * (now - moved.at_ms);
    this.moved = { top, at_ms: now, fast: isFast ? moved.fast + 1 : 0 };
    const isFlying = this.moved.fast > 1; // a single leap is one to a place
    if (isFlying) {
      clearTimeout(this.settling);
      this.settling = window.setTimeout(() => this.see({ ...view.peek(), isFlying: false }), SETTLED_MS);
    }
    this.see({ ...view.peek(), top, isFlying: isFlying || (view.peek().isFlying && isFast) });
  }

  /** @param {{ width: number, height: number, top: number, isFlying: boolean }} next */
  see(next) {
    const { row } = measures(next.width);
    next.top = Math.floor(next.top / row) * row; // between two rows nothing is drawn anew
    const old = view.peek();
    const isSame = /** @type {(keyof typeof next)[]} */ (Object.keys(next)).every((name) => next[name] === old[name]);
    if (isSame) return;
    view.value = next;
    const { first, last } = span(next);
    need(first, last);
  }

  /** @param {HTMLElement} frame @param {KeyboardEvent} event */
  onKey(frame, event) {
    const { columns, row } = measures(view.peek().width);
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -1e9, End: 1e9 };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    const card = gallery.peek().cards[focused.peek()];
    if (event.key === "x" && card) choose(card.id);
    if (event.key === "s" && card?.picture && !event.ctrlKey && !event.metaKey) ACTS.star(card);
    if (step === undefined || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const at = Math.min(Math.max(focused.peek() + step, 0), gallery.peek().total - 1);
    focused.value = at;
    const y = Math.floor(at / columns) * row;
    if (y < frame.scrollTop) frame.scrollTop = y;
    else if (y + row > frame.scrollTop + frame.clientHeight) frame.scrollTop = y + row - frame.clientHeight;
    this.see({ ...view.peek(), top: frame.scrollTop });
    /** @type {HTMLElement | null} */ (frame.querySelector(`[data-place="${at}"]`))?.focus({ preventScroll: true });
  }

  render() {
    const tabindex = isEmpty.value ? 0 : -1;
    return html`<div class="gallery" ref=${this.frame} role="region" aria-label=${t("gallery")} tabindex=${tabindex}></div>`;
  }
}

function Grid() {
  const { cards, total, isLoaded } = gallery.value;
  const { width, isFlying } = view.value;
  const { columns, cell, row } = measures(width);
  const { first, last } = span(view.value);
  const isAway = focused.value < first || focused.value >= last; // then Tab leads to the first that is seen
  const next = isAway ? first : focused.value;
  const places = width ? Array.from({ length: Math.max(0, Math.min(total, last) - first) }, (_, at) => first + at) : [];
  return html`
    ${isLoaded && total === 0 && html`<p class="empty">${t("nothingHere")}</p>`}
    <ul style=${{ height: `${Math.ceil(total / columns) * row}px` }}>
      ${places.map((at) => {
        const card = cards[at];
        return html`<${CardView}
          key=${card?.id ?? `place-${at}`}
          card=${card}
          at=${at}
          total=${total}
          x=${(at % columns) * (cell + GAP_PX)}
          y=${Math.floor(at / columns) * row}
          width=${cell}
          height=${cell + WORDS_PX}
          isNext=${at === next}
          isChosen=${chosen.value.includes(card?.id ?? "")}
          isGone=${gone.value.has(card?.id ?? "")}
          isHidden=${hidden.value.has(card?.id ?? "")}
          isFlying=${isFlying}
          language=${language.value}
          acts=${ACTS}
        />`;
      })}
    </ul>
  `;
}
