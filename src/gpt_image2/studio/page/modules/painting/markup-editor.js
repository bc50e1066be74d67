// The markup editor: what is drawn over the first input tells the model what to do. It is sent as a picture of
// its own, transparent where nothing was drawn.
import { post } from "../api.js";
import { t } from "../i18n.js";
import { change, form } from "../making.js";
import { Modal } from "../modal.js";
import { dialog } from "../store.js";
import { createRef, html, signal } from "../view.js";
import { alone } from "./canvas.js";
import { commonTools } from "./common-tools.js";
import { add, items, painting } from "./drawing.js";
import { Easel } from "./easel.js";

/** @typedef {"brush" | "arrow" | "text" | "eraser"} Tool */
const TOOLS = /** @type {const} */ (["brush", "arrow", "text", "eraser"]);
const TOOL_KEYS = { b: "brush", a: "arrow", t: "text", e: "eraser" };
/** Colours that the browser offers first. */
const COLOURS = ["#ff0000", "#ffd400", "#00a651", "#0066ff", "#ffffff", "#000000"];
const MOST_LETTERS = 200;

const tool = signal(/** @type {Tool} */ ("brush"));
const colour = signal("#ff0000");
const words = signal("");

export class MarkupEditor extends Easel {
  radiiAcross = 160;
  leastRadius = 2;
  field = createRef();

  kept() {
    return form.peek().markup?.painting ?? null;
  }

  isBrush() {
    return tool.peek() === "brush" || tool.peek() === "eraser";
  }

  /** @param {[number, number]} point @param {boolean} isErasing */
  begun(point, isErasing) {
    const now = tool.peek();
    if (isErasing || now === "eraser") return this.item({ stroke: [point], op: "subtract" });
    if (now === "arrow") return this.item({ arrow: [point, point] });
    return now === "text" ? this.written(point) : this.item({ stroke: [point] });
  }

  /** The text of the field at a point; without one the field is shown. @param {[number, number]} at */
  written(at) {
    const text = words.peek().trim();
    if (text) return this.item({ text, at });
    this.field.current?.focus();
    return null;
  }

  /** @param {Partial<import("./drawing.js").Item>} what @returns {import("./drawing.js").Item} */
  item(what) {
    return { op: "add", radius: this.radius.peek(), colour: colour.peek(), ...what };
  }

  /** Puts the text into the middle of what is seen. */
  write() {
    const { frame } = this;
    const item = this.written(this.port.on([frame.width / 2, frame.height / 2]));
    if (!item) return;
    this.drawing.value = add(this.drawing.peek(), item);
    this.redraw();
  }

  /** @param {string} key */
  onToolKey(key) {
    if (!(key in TOOL_KEYS)) return false;
    this.choose(/** @type {any} */ (TOOL_KEYS)[key]);
    return true;
  }

  /** @param {Tool} name */
  choose(name) {
    tool.value = name;
    if (name === "text") this.field.current?.focus();
  }

  async use() {
    const now = painting(this.drawing.peek());
    const drawn = alone(now.items, this.size, this.inputs);
    if (!drawn) throw new Error(t("nothingDrawn"));
    const { id } = await post("api/inputs", await asPng(drawn));
    change({ markup: { id, painting: now } });
  }

  render() {
    const hasSome = items(this.drawing.value).some((item) => item.op === "add");
    return html`<${Modal}
      kind="markup easel"
      label=${t("drawMarkup")}
      onClose=${() => (dialog.value = "")}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => this.onKey(event)}
      onKeyUp=${(/** @type {KeyboardEvent} */ event) => event.key === " " && (this.isSpaceDown = false)}
    >
      <div class="tools" role="toolbar" aria-label=${t("tools")}>
        ${TOOLS.map(
          (name) => html`<button aria-pressed=${tool.value === name} onClick=${() => this.choose(name)}>
            ${t(`tool_${name}`)}
          </button>`,
        )}
        <label>
          ${t("colour")}
          <input
            type="color"
            list="colours"
            value=${colour.value}
            onInput=${(/** @type {any} */ event) => (colour.value = event.target.value)}
          />
        </label>
        <datalist id="colours">${COLOURS.map((each) => html`<option value=${each}></option>`)}</datalist>
        <label>
          ${t("markupText")}
          <input
            ref=${this.field}
            type="text"
            dir="auto"
            maxlength=${MOST_LETTERS}
            value=${words.value}
            onInput=${(/** @type {any} */ event) => {
              words.value = event.target.value;
              tool.value = "text";
            }}
            onKeyDown=${(/** @type {KeyboardEvent} */ event) => {
              if (event.key === "Enter" && !event.isComposing) this.write();
            }}
          />
        </label>
        ${commonTools(this, null)}
      </div>
      ${this.stage(t("markupCanvas"))}
      <div class="row foot">
        <p>${t("markupKeys")}</p>
        <button class="primary" disabled=${this.isKeeping.value || !hasSome} onClick=${() => this.keep()}>
          ${t("keepMarkup")}
        </button>
      </div>
    </${Modal}>`;
  }
}

/** @param {HTMLCanvasElement} canvas @returns {Promise<Blob>} */
async function asPng(canvas) {
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  if (!blob) throw new Error(t("notWritten"));
  return blob;
}
