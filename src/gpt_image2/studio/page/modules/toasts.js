// Short notices at the edge of the page; some can be taken back until they are over.
import { html, signal } from "./view.js";
import { t } from "./i18n.js";

const SHOWN_MS = 6000;

/**
 * @typedef {object} Toast
 * @property {number} id
 * @property {string} text
 * @property {boolean} isError
 * @property {(() => void) | null} undo
 */
/** @type {import("../vendor/signals-core.js").Signal<Toast[]>} */
const toasts = signal([]);
/** What is still to be done when a toast is over, by its id. @type {Map<number, () => void>} */
const pending = new Map();
let last = 0;

/**
 * @param {string} text
 * @param {boolean} [isError]
 */
export function say(text, isError = false) {
  add({ text, isError, undo: null }, () => {});
}

/**
 * Says that something is done, and does it once it cannot be taken back any more, at the latest when the page
 * goes away.
 * @param {string} text
 * @param {() => void} act
 * @param {() => void} undo
 */
export function sayUndoable(text, act, undo) {
  add({ text, isError: false, undo }, act);
}

/**
 * @param {Omit<Toast, "id">} toast
 * @param {() => void} act
 */
function add(toast, act) {
  const id = ++last;
  pending.set(id, act);
  toasts.value = [...toasts.value, { ...toast, id }].slice(-4);
  setTimeout(() => over(id), SHOWN_MS);
}

/** @param {number} id */
function over(id) {
  pending.get(id)?.();
  drop(id);
}

/** @param {number} id */
function drop(id) {
  pending.delete(id);
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

addEventListener("pagehide", () => [...pending.keys()].forEach(over));

export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.value.map(
      (toast) => html`<div key=${toast.id} class=${toast.isError ? "toast error" : "toast"}>
        <span>${toast.text}</span>
        ${toast.undo &&
        html`<button
          onClick=${() => {
            drop(toast.id);
            toast.undo?.();
          }}
        >
          ${t("undo")}
        </button>`}
        <button class="quiet" aria-label=${t("close")} onClick=${() => over(toast.id)}>×</button>
      </div>`,
    )}
  </div>`;
}
