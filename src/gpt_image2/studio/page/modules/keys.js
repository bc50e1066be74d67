// What the keyboard does; `?` lists it.
import { focused } from "./gallery/gallery-view.js";
import { t } from "./i18n.js";
import { click } from "./making.js";
import { Modal } from "./modal.js";
import { dialog, looked, tab } from "./store.js";
import { html } from "./view.js";

/** @type {[string, Parameters<typeof t>[0]][]} */
const KEYS = [
  ["/", "keySearch"],
  ["P", "keyPrompt"],
  ["Ctrl + Enter", "keyMake"],
  ["G", "keyGallery"],
  ["← ↑ → ↓", "keyMove"],
  ["Enter", "keyOpen"],
  ["X", "keyChoose"],
  ["S", "keyStar"],
  ["C", "keyCompare"],
  ["Esc", "keyClose"],
  ["?", "keyHelp"],
];

/** @param {() => void} compare */
export function startKeys(compare) {
  addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.repeat) {
      if (dialog.peek() || looked.peek() !== null) return;
      event.preventDefault();
      /** @type {HTMLButtonElement | null} */ (document.querySelector(".click .primary"))?.disabled || click();
      return;
    }
    const at = event.target;
    const isTyping = at instanceof HTMLElement && at.matches("input:not([type=checkbox]), textarea, select");
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey || dialog.peek() || looked.peek() !== null) return;
    const act = {
      "/": () => go("gallery", "search"),
      p: () => go("make", "prompt"),
      g: () => {
        tab.value = "gallery";
        const place = document.querySelector(`[data-place="${focused.peek()}"]`) ?? document.querySelector(".card");
        // While what is seen is still being loaded, the gallery itself takes the keys.
        /** @type {HTMLElement | null} */ (place ?? document.querySelector(".gallery"))?.focus();
      },
      c: compare,
      "?": () => (dialog.value = "help"),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

/**
 * @param {"make" | "gallery"} where
 * @param {string} id
 */
function go(where, id) {
  tab.value = where;
  document.getElementById(id)?.focus();
}

export function Help() {
  return html`<${Modal} kind="help" label=${t("help")} onClose=${() => (dialog.value = "")}>
    <h2>${t("help")}</h2>
    <dl>
      ${KEYS.map(([key, words]) => html`<dt><kbd>${key}</kbd></dt><dd>${t(words)}</dd>`)}
    </dl>
  </${Modal}>`;
}
