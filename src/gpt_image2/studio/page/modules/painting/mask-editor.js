// The mask editor: what is painted over the first input is what may change.
import { post } from "../api.js";
import { t } from "../i18n.js";
import { change, form } from "../making.js";
import { Modal } from "../modal.js";
import { dialog } from "../store.js";
import { say } from "../toasts.js";
import { html, signal } from "../view.js";
import { tinted } from "./canvas.js";
import { commonTools } from "./common-tools.js";
import { add, asPlan, box, items, painting } from "./drawing.js";
import { Easel } from "./easel.js";

/** @typedef {"brush" | "eraser" | "rect" | "ellipse" | "lasso"} Tool */
const TOOLS = /** @type {const} */ (["brush", "eraser", "rect", "ellipse", "lasso"]);
const TOOL_KEYS = { b: "brush", e: "eraser", r: "rect", o: "ellipse", l: "lasso" };

const tool = signal(/** @type {Tool} */ ("brush"));

export class MaskEditor extends Easel {
  strength = 0.5;

  kept() {
    return form.peek().mask?.painting ?? null;
  }

  isBrush() {
    return tool.peek() === "brush" || tool.peek() === "eraser";
  }

  /** @param {[number, number]} point @param {boolean} isErasing @returns {import("./drawing.js").Item} */
  begun(point, isErasing) {
    const op = isErasing || tool.peek() === "eraser" ? "subtract" : "add";
    switch (tool.peek()) {
      case "rect":
        return { rect: box(point, point), op };
      case "ellipse":
        return { ellipse: box(point, point), op };
      case "lasso":
        return { polygon: [point], op };
      default:
        return { stroke: [point], radius: this.radius.peek(), op };
    }
  }

  /** @param {string} key */
  onToolKey(key) {
    if (key === "i") this.set({ invert: !this.drawing.peek().invert });
    else if (key in TOOL_KEYS) tool.value = /** @type {any} */ (TOOL_KEYS)[key];
    else return false;
    return true;
  }

  /** @param {Partial<import("./drawing.js").Drawing>} changes */
  set(changes) {
    this.drawing.value = { ...this.drawing.peek(), ...changes };
    this.redraw();
  }

  /** @param {HTMLCanvasElement} layer */
  asPainted(layer) {
    tinted(layer);
    return layer;
  }

  /** @param {File} file */
  async importMask(file) {
    const [input] = form.peek().inputs;
    if (!input) return;
    try {
      const { id: added } = await post("api/inputs", file);
      // Masks are black, white or clear where they edit; from now on it is clear.
      const items = [{ input: added, op: "add" }];
      const { id } = await post("api/masks", { picture: input.id, painting: { items } });
      this.see(id);
      this.drawing.value = add(this.drawing.peek(), { input: id, op: "add" });
    } catch (error) {
      this.tell(error);
    }
  }

  async use() {
    const [input] = form.peek().inputs;
    if (!input) return;
    const now = painting(this.drawing.peek());
    const made = await post("api/masks", { picture: input.id, painting: asPlan(now) });
    change({ mask: { id: made.id, share: made.share, painting: now } });
    if (made.notes.length) say(made.notes.join("; "));
  }

  render() {
    const now = this.drawing.value;
    return html`<${Modal}
      kind="mask easel"
      label=${t("paintMask")}
      onClose=${() => (dialog.value = "")}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => this.onKey(event)}
      onKeyUp=${(/** @type {KeyboardEvent} */ event) => event.key === " " && (this.isSpaceDown = false)}
    >
      <div class="tools" role="toolbar" aria-label=${t("tools")}>
        ${TOOLS.map(
          (name) => html`<button aria-pressed=${tool.value === name} onClick=${() => (tool.value = name)}>
            ${t(`tool_${name}`)}
          </button>`,
        )}
        ${commonTools(this, html`<button onClick=${() => this.replace([...items(now), { rect: [0, 0, ...this.size], op: "add" }])}>${t("fill")}</button>
          <button aria-pressed=${now.invert} onClick=${() => this.set({ invert: !now.invert })}>${t("invert")}</button>`)}
        <${Pixels} name="feather" drawing=${now} set=${(/** @type {any} */ changes) => this.set(changes)} />
        <${Pixels} name="grow" drawing=${now} set=${(/** @type {any} */ changes) => this.set(changes)} />
        <label class="button file">
          ${t("importMask")}
          <input
            type="file"
            accept="image/*"
            onChange=${(/** @type {any} */ event) => event.target.files[0] && this.importMask(event.target.files[0])}
          />
        </label>
        ${form.value.mask &&
        html`<a class="button" href=${`inputs/${form.value.mask.id}`} download="mask.png">${t("exportMask")}</a>`}
      </div>
      ${this.stage(t("maskCanvas"))}
      <div class="row foot">
        <p>${t("maskKeys")}</p>
        <button class="primary" disabled=${this.isKeeping.value || !items(now).length} onClick=${() => this.keep()}>
          ${t("keepMask")}
        </button>
      </div>
    </${Modal}>`;
  }
}

/** @param {{ name: "feather" | "grow", drawing: import("./drawing.js").Drawing, set: (changes: object) => void }} props */
function Pixels({ name, drawing, set }) {
  return html`<label>
    ${t(name)}
    <input
      type="number"
      name=${name}
      min=${name === "feather" ? 0 : -400}
      max="400"
      value=${drawing[name]}
      onInput=${(/** @type {any} */ event) => set({ [name]: Number(event.target.value) || 0 })}
    />
  </label>`;
}
