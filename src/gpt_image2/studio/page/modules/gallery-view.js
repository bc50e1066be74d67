// The gallery: a grid of which only the seen rows are drawn, moved through with the arrow keys.
import { star } from "./collecting.js";
import { money, when } from "./format.js";
import { t } from "./i18n.js";
import { need } from "./loading.js";
import { chosen, gallery, hidden, looked } from "./store.js";
import { Component, createRef, html, signal } from "./view.js";

const LEAST_PX = 190;
const GAP_PX = 12;
const WORDS_PX = 54;
const PADDING_PX = 3; // as in gallery.css, for the ring of the focus
const SPARE_ROWS = 2;

/** What is seen of the grid, in pixels. */
const view = signal({ width: 0, height: 0, top: 0 });

/** Cards whose file is not there any more, by id. */
export const gone = signal(/** @type {ReadonlySet<string>} */ (new Set()));

/** The place that has the keyboard. */
export const focused = signal(0);

/** The measures of the grid, from its width. @param {number} width */
function measures(width) {
  const columns = Math.max(2, Math.floor((width + GAP_PX) / (LEAST_PX + GAP_PX)));
  const cell = (width - GAP_PX * (columns - 1)) / columns;
  return { columns, cell, row: cell + WORDS_PX + GAP_PX };
}

/** @param {string} id whether a card is chosen or not is turned round */
export function choose(id) {
  const now = chosen.peek();
  chosen.value = now.includes(id) ? now.filter((each) => each !== id) : [...now, id];
}

export class Gallery extends Component {
  frame = createRef();
  /** @type {ResizeObserver | null} */ watched = null;

  componentDidMount() {
    const frame = this.frame.current;
    if (!frame) return;
    this.watched = new ResizeObserver(() => this.measure());
    this.watched.observe(frame);
    frame.addEventListener("scroll", () => this.measure(), { passive: true });
    this.measure();
  }

  componentWillUnmount() {
    this.watched?.disconnect();
  }

  measure() {
    const frame = this.frame.current;
    if (!frame) return;
    const width = frame.clientWidth - 2 * PADDING_PX;
    const { columns, row } = measures(width);
    const top = frame.scrollTop;
    const step = Math.floor(top / row) * row; // between two rows nothing is drawn anew
    const old = view.peek();
    if (old.width !== width || old.height !== frame.clientHeight || old.top !== step) {
      view.value = { width, height: frame.clientHeight, top: step };
    }
    const first = Math.max(0, Math.floor(top / row) - SPARE_ROWS) * columns;
    need(first, first + Math.ceil(frame.clientHeight / row + 2 * SPARE_ROWS + 1) * columns);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const { columns, row } = measures(view.peek().width);
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -1e9, End: 1e9 };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    const card = gallery.peek().cards[focused.peek()];
    if (event.key === "x" && card) choose(card.id);
    if (event.key === "s" && card?.picture && !event.ctrlKey && !event.metaKey) star([card.id], !card.is_starred);
    if (step === undefined || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const at = Math.min(Math.max(focused.peek() + step, 0), gallery.peek().total - 1);
    focused.value = at;
    const frame = this.frame.current;
    if (!frame) return;
    const y = Math.floor(at / columns) * row;
    if (y < frame.scrollTop) frame.scrollTop = y;
    else if (y + row > frame.scrollTop + frame.clientHeight) frame.scrollTop = y + row - frame.clientHeight;
    this.measure();
    /** @type {HTMLElement | null} */ (frame.querySelector(`[data-place="${at}"]`))?.focus({ preventScroll: true });
  }

  render() {
    const { cards, total, isLoaded } = gallery.value;
    const { width, height, top } = view.value;
    const { columns, cell, row } = measures(width);
    const first = Math.max(0, Math.floor(top / row) - SPARE_ROWS) * columns;
    const last = Math.min(total, first + Math.ceil(height / row + 2 * SPARE_ROWS + 1) * columns);
    const isAway = focused.value < first || focused.value >= last; // then Tab leads to the first that is seen
    const places = width ? Array.from({ length: Math.max(0, last - first) }, (_, at) => first + at) : [];
    return html`<div
      class="gallery"
      ref=${this.frame}
      tabindex=${total ? -1 : 0}
      role="region"
      aria-label=${t("gallery")}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => this.onKey(event)}
    >
      ${isLoaded && total === 0 && html`<p class="empty">${t("nothingHere")}</p>`}
      <ul style=${{ height: `${Math.ceil(total / columns) * row}px` }}>
        ${places.map((at) => {
          const x = (at % columns) * (cell + GAP_PX);
          const y = Math.floor(at / columns) * row;
          const place = { width: `${cell}px`, height: `${cell + WORDS_PX}px`, transform: `translate(${x}px, ${y}px)` };
          const card = cards[at];
          return html`<li key=${card?.id ?? `place-${at}`} style=${place} aria-setsize=${total} aria-posinset=${at + 1}>
            ${card && !hidden.value.has(card.id) && html`<${CardView} card=${card} at=${at} cell=${cell} isNext=${at === (isAway ? first : focused.value)} />`}
          </li>`;
        })}
      </ul>
    </div>`;
  }
}

/** @param {{ card: import("./types.js").Card, at: number, cell: number, isNext: boolean }} props */
function CardView({ card, at, cell, isNext }) {
  const isChosen = chosen.value.includes(card.id);
  return html`<button
      class="card"
      data-place=${at}
      data-card=${card.id}
      tabindex=${isNext ? 0 : -1}
      onFocus=${() => focused.peek() !== at && (focused.value = at)}
      onClick=${() => (looked.value = card)}
    >
      <span class="picture" style=${{ height: `${cell}px` }}>
        ${card.picture && !gone.value.has(card.id)
          ? html`<img
              src=${`thumbnails/${card.id}`}
              alt=""
              decoding="async"
              draggable=${false}
              onError=${() => (gone.value = new Set([...gone.peek(), card.id]))}
            />`
          : html`<span class=${`no-picture ${card.billed}`}>${card.picture ? t("fileGone") : wordsOfStatus(card)}</span>`}
      </span>
      <span class="words" dir="auto">${card.prompt}</span>
      <span class="facts">${card.method ?? costInWords(card)}${card.sandbox ? ` · ${t("sandbox")}` : ""} · ${when(card.started_at)}</span>
    </button>
    ${card.picture &&
    html`<input
      type="checkbox"
      class="choose"
      tabindex="-1"
      aria-label=${t("choose", { prompt: card.prompt.slice(0, 60) })}
      checked=${isChosen}
      onChange=${() => choose(card.id)}
    />
    <input
      type="checkbox"
      class="star"
      tabindex="-1"
      aria-label=${t("star", { prompt: card.prompt.slice(0, 60) })}
      checked=${card.is_starred}
      onChange=${() => star([card.id], !card.is_starred)}
    />`}`;
}

/** @param {import("./types.js").Card} card */
export function costInWords(card) {
  if (card.cost_usd !== null) return money(card.cost_usd);
  if (card.billed === "no") return money(0);
  return t(card.billed === "maybe" ? "maybe" : "costUnknown");
}

/** @param {import("./types.js").Card} card */
function wordsOfStatus(card) {
  if (card.status === "sent") return t("statusSent");
  if (card.status === "pending") return t("statusPending");
  if (card.billed === "maybe") return t("statusMaybe");
  return card.error_code ?? card.status;
}
