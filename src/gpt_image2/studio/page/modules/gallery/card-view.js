// One card of the gallery. It is drawn anew only where it is given something else, and so reads no signal.
import { money, when } from "../format.js";
import { t } from "../i18n.js";
import { Component, html } from "../view.js";

/**
 * @typedef {object} CardProps A card at its place; `x`, `y`, `width`, `picture` (the height of it) and `height` are pixels.
 * @property {import("../types.js").Card} [card] missing while it is loaded
 * @property {number} at
 * @property {number} total
 * @property {number} x
 * @property {number} y
 * @property {number} width
 * @property {number} height
 * @property {boolean} isNext whether Tab leads to it
 * @property {boolean} isChosen
 * @property {boolean} isGone whether its file is there no more
 * @property {boolean} isHidden
 * @property {boolean} isFlying whether it passes by too fast to be seen
 * @property {string} language
 * @property {CardActs} acts
 */
/**
 * @typedef {object} CardActs What a card does; always the same object.
 * @property {(at: number) => void} focus
 * @property {(card: import("../types.js").Card) => void} look
 * @property {(id: string) => void} choose
 * @property {(card: import("../types.js").Card) => void} star
 * @property {(id: string) => void} lose its picture cannot be shown
 */

/** @extends {Component<CardProps>} */
export class CardView extends Component {
  /** A picture that is shown stays, however fast it moves. */
  isShown = false;

  /** @param {CardProps} next */
  shouldComponentUpdate(next) {
    const { props } = this;
    return /** @type {(keyof CardProps)[]} */ (Object.keys(next)).some(
      (name) => next[name] !== props[name] && !(name === "isFlying" && this.isShown),
    );
  }

  render() {
    const { card, at, total, x, y, width, height, isHidden } = this.props;
    const place = { width: `${width}px`, height: `${height}px`, transform: `translate(${x}px, ${y}px)` };
    return html`<li style=${place} aria-setsize=${total} aria-posinset=${at + 1}>
      ${card && !isHidden && this.drawn(card)}
    </li>`;
  }

  /** @param {import("../types.js").Card} card */
  drawn(card) {
    const { at, width, isNext, isChosen, isFlying, acts } = this.props;
    this.isShown ||= !isFlying;
    const words = card.prompt.slice(0, 60);
    return html`<button
        class="card"
        data-place=${at}
        data-card=${card.id}
        tabindex=${isNext ? 0 : -1}
        onFocus=${() => acts.focus(at)}
        onClick=${() => acts.look(card)}
      >
        <span class="picture" style=${{ height: `${width}px` }}>${this.pictured(card)}</span>
        <span class="words" dir="auto">${card.prompt}</span>
        <span class="facts">${card.method ?? costInWords(card)}${card.sandbox ? ` · ${t("sandbox")}` : ""} · ${when(card.started_at)}</span>
      </button>
      ${card.picture &&
      html`<input
          type="checkbox"
          class="choose"
          tabindex="-1"
          aria-label=${t("choose", { prompt: words })}
          checked=${isChosen}
          onChange=${() => acts.choose(card.id)}
        />
        <input
          type="checkbox"
          class="star"
          tabindex="-1"
          aria-label=${t("star", { prompt: words })}
          checked=${card.is_starred}
          onChange=${() => acts.star(card)}
        />`}`;
  }

  /** @param {import("../types.js").Card} card */
  pictured(card) {
    const { isGone, acts } = this.props;
    if (!card.picture || isGone) {
      return html`<span class=${`no-picture ${card.billed}`}>${card.picture ? t("fileGone") : wordsOfStatus(card)}</span>`;
    }
    if (!this.isShown) return null;
    return html`<img
      src=${`thumbnails/${card.id}`}
      alt=""
      decoding="async"
      draggable=${false}
      onError=${() => acts.lose(card.id)}
    />`;
  }
}

/** @param {import("../types.js").Card} card */
export function costInWords(card) {
  if (card.cost_usd !== null) return money(card.cost_usd);
  if (card.billed === "no") return money(0);
  return t(card.billed === "maybe" ? "maybe" : "costUnknown");
}

/** @param {import("../types.js").Card} card */
function wordsOfStatus(card) {
  if (card.status === "sent") return t("statusSent");
  if (card.status === "pending") return t("statusPending");
  if (card.billed === "maybe") return t("statusMaybe");
  return card.error_code ?? card.status;
}
