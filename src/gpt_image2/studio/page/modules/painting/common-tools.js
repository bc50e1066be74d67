// The tools that every editor has.
import { t } from "../i18n.js";
import { html } from "../view.js";

/** @param {import("./easel.js").Easel} easel @param {unknown} others come after the size */
export function commonTools(easel, others) {
  const now = easel.drawing.value;
  return html`<label>
      ${t("brushSize")}
      <input
        type="range"
        min="1"
        max="400"
        value=${easel.radius.value}
        onInput=${(/** @type {any} */ event) => (easel.radius.value = Number(event.target.value))}
      />
    </label>
    ${others}
    <button onClick=${() => easel.replace([])}>${t("clear")}</button>
    <button disabled=${now.at === 0} onClick=${() => easel.turn(-1)}>${t("undo")}</button>
    <button disabled=${now.at === now.steps.length - 1} onClick=${() => easel.turn(1)}>${t("redo")}</button>`;
}
