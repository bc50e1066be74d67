// The mask editor: what is painted over the first input is what may change.
import { post } from "../api.js";
import { t } from "../i18n.js";
import { change, form } from "../making.js";
import { Modal } from "../modal.js";
import { dialog } from "../store.js";
import { say } from "../toasts.js";
import { Component, createRef, html, signal } from "../view.js";
import { draw, whole, zoomed } from "./canvas.js";
import { add, asPlan, begin, box, items, move, painting, step } from "./drawing.js";

/** @typedef {"brush" | "eraser" | "rect" | "ellipse" | "lasso"} Tool */
const TOOLS = /** @type {const} */ (["brush", "eraser", "rect", "ellipse", "lasso"]);
const TOOL_KEYS = { b: "brush", e: "eraser", r: "rect", o: "ellipse", l: "lasso" };
const STEP = 1.15;

const tool = signal(/** @type {Tool} */ ("brush"));
/** The brush's radius, in pixels of the picture. */
const radius = signal(40);
const drawing = signal(begin(null));
const isKeeping = signal(false);

export class MaskEditor extends Component {
  canvas = createRef();
  layer = document.createElement("canvas");
  image = new Image();
  /** @type {import("./canvas.js").View} */ view = { x: 0, y: 0, zoom: 1 };
  /** @type {[number, number]} */ size = [0, 0];
  /** The item that is being painted. @type {import("./drawing.js").Item | null} */ wet = null;
  /** @type {[number, number]} */ start = [0, 0];
  /** Pointers that are down, in pixels of the screen. @type {Map<number, [number, number]>} */ pointers = new Map();
  /** @type {[number, number] | null} */ hover = null;
  isPanning = false;
  isSpaceDown = false;
  isWaiting = false;
  /** @type {Map<string, HTMLImageElement>} */ inputs = new Map();
  /** @type {ResizeObserver | null} */ watched = null;

  get frame() {
    return /** @type {HTMLCanvasElement} */ (/** @type {unknown} */ (this.canvas.current));
  }

  componentDidMount() {
    const [input] = form.peek().inputs;
    if (!input) return;
    this.frame.focus();
    drawing.value = begin(form.peek().mask?.painting ?? null);
    for (const item of items(drawing.peek())) if (item.input) this.see(item.input);
    this.image.onload = () => {
      this.size = [this.image.naturalWidth, this.image.naturalHeight];
      radius.value = Math.round(Math.max(4, Math.min(...this.size) / 24));
      this.fit();
    };
    this.image.onerror = () => say(t("fileGone"), true);
    this.image.src = input.source.replace(/^thumbnails\//, "pictures/");
    this.watched = new ResizeObserver(() => this.fit());
    this.watched.observe(this.frame);
    this.frame.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
  }

  componentWillUnmount() {
    this.watched?.disconnect();
  }

  fit() {
    const { frame } = this;
    if (!frame || !this.size[0]) return;
    frame.width = Math.round(frame.clientWidth * devicePixelRatio);
    frame.height = Math.round(frame.clientHeight * devicePixelRatio);
    this.view = whole(this.size, frame.width, frame.height);
    this.redraw();
  }

  redraw() {
    if (this.isWaiting) return;
    this.isWaiting = true;
    requestAnimationFrame(() => {
      this.isWaiting = false;
      const context = this.frame?.getContext("2d");
      if (!context || !this.size[0]) return;
      const now = painting(drawing.peek());
      if (this.wet) now.items = [...now.items, this.wet];
      draw(context, this.image, this.size, this.view, now, this.layer, this.inputs);
      this.drawCursor(context);
    });
  }

  /** The brush at its true size. @param {CanvasRenderingContext2D} context */
  drawCursor(context) {
    if (!this.hover || (tool.peek() !== "brush" && tool.peek() !== "eraser")) return;
    for (const [colour, width] of /** @type {const} */ ([["#000", 3], ["#fff", 1.5]])) {
      context.strokeStyle = colour;
      context.lineWidth = width * devicePixelRatio;
      context.beginPath();
      context.arc(...this.hover, radius.peek() * this.view.zoom, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  /** Where a pointer is, in pixels of the screen. @param {MouseEvent} event @returns {[number, number]} */
  at(event) {
    const place = this.frame.getBoundingClientRect();
    return [(event.clientX - place.left) * devicePixelRatio, (event.clientY - place.top) * devicePixelRatio];
  }

  /** The same in pixels of the picture. @param {[number, number]} at @returns {[number, number]} */
  on([x, y]) {
    const { view } = this;
    return [Math.round(((x - view.x) / view.zoom) * 10) / 10, Math.round(((y - view.y) / view.zoom) * 10) / 10];
  }

  /** @param {PointerEvent} event */
  onDown(event) {
    event.preventDefault();
    this.frame.focus();
    this.frame.setPointerCapture(event.pointerId);
    const at = this.at(event);
    this.pointers.set(event.pointerId, at);
    if (this.pointers.size === 2) this.wet = null; // two fingers move the picture
    this.isPanning = this.isSpaceDown || event.button === 1;
    if (this.isPanning || this.pointers.size > 1 || event.button > 1) return;
    const point = this.on(at);
    this.start = point;
    const op = event.button === 2 || event.altKey || tool.peek() === "eraser" ? "subtract" : "add";
    this.wet = this.begun(point, op);
    this.redraw();
  }

  /** @param {[number, number]} point @param {"add" | "subtract"} op @returns {import("./drawing.js").Item} */
  begun(point, op) {
    switch (tool.peek()) {
      case "rect":
        return { rect: box(point, point), op };
      case "ellipse":
        return { ellipse: box(point, point), op };
      case "lasso":
        return { polygon: [point], op };
      default:
        return { stroke: [point], radius: radius.peek(), op };
    }
  }

  /** @param {PointerEvent} event */
  onMove(event) {
    const at = this.at(event);
    const before = this.pointers.get(event.pointerId);
    this.hover = event.pointerType === "touch" ? null : at;
    if (before && (this.isPanning || this.pointers.size === 2)) this.pan(event.pointerId, before, at);
    if (before) this.pointers.set(event.pointerId, at);
    if (this.wet) this.grown(this.wet, event);
    this.redraw();
  }

  /** @param {number} id @param {[number, number]} before @param {[number, number]} at */
  pan(id, before, at) {
    const other = [...this.pointers].find(([each]) => each !== id)?.[1];
    if (!other) {
      this.view = { ...this.view, x: this.view.x + at[0] - before[0], y: this.view.y + at[1] - before[1] };
      return;
    }
    const far = Math.hypot(before[0] - other[0], before[1] - other[1]);
    const farNow = Math.hypot(at[0] - other[0], at[1] - other[1]);
    const middle = [(before[0] + other[0]) / 2, (before[1] + other[1]) / 2];
    const view = zoomed(this.view, far ? farNow / far : 1, middle[0] ?? 0, middle[1] ?? 0);
    this.view = { ...view, x: view.x + (at[0] - before[0]) / 2, y: view.y + (at[1] - before[1]) / 2 };
  }

  /** @param {import("./drawing.js").Item} wet @param {PointerEvent} event */
  grown(wet, event) {
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) {
      const point = this.on(this.at(each));
      if (wet.rect) wet.rect = box(this.start, point);
      else if (wet.ellipse) wet.ellipse = box(this.start, point);
      else (wet.stroke ?? wet.polygon ?? []).push(point);
    }
  }

  /** @param {PointerEvent} event */
  onUp(event) {
    this.pointers.delete(event.pointerId);
    if (!this.pointers.size) this.isPanning = false;
    const { wet } = this;
    this.wet = null;
    if (wet && !(wet.polygon && wet.polygon.length < 3)) drawing.value = add(drawing.peek(), wet);
    this.redraw();
  }

  /** @param {WheelEvent} event */
  onWheel(event) {
    event.preventDefault();
    this.view = zoomed(this.view, Math.exp(-event.deltaY / 400), ...this.at(event));
    this.redraw();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.target instanceof HTMLInputElement && event.target.type === "number") return;
    const isUndo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
    if (isUndo) this.turn(event.shiftKey ? 1 : -1);
    else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "y") this.turn(1);
    else if (event.ctrlKey || event.metaKey) return;
    else if (event.key === "[") this.resize(1 / STEP);
    else if (event.key === "]") this.resize(STEP);
    else if (event.key === "+") this.zoom(STEP);
    else if (event.key === "-") this.zoom(1 / STEP);
    else if (event.key === "0") this.fit();
    else if (event.key === "i") this.set({ invert: !drawing.peek().invert });
    else if (event.key in TOOL_KEYS) tool.value = /** @type {any} */ (TOOL_KEYS)[event.key];
    else if (event.key === " " && !(event.target instanceof HTMLButtonElement)) this.isSpaceDown = true;
    else return;
    event.preventDefault();
  }

  /** @param {number} factor */
  resize(factor) {
    radius.value = Math.min(Math.max(Math.round(radius.peek() * factor + (factor > 1 ? 0.5 : -0.5)), 1), 2000);
    this.redraw();
  }

  /** @param {number} factor */
  zoom(factor) {
    this.view = zoomed(this.view, factor, this.frame.width / 2, this.frame.height / 2);
    this.redraw();
  }

  /** @param {-1 | 1} direction */
  turn(direction) {
    drawing.value = move(drawing.peek(), direction);
    this.redraw();
  }

  /** @param {Partial<import("./drawing.js").Drawing>} changes */
  set(changes) {
    drawing.value = { ...drawing.peek(), ...changes };
    this.redraw();
  }

  /** @param {import("./drawing.js").Item[]} next */
  replace(next) {
    drawing.value = step(drawing.peek(), next);
    this.redraw();
  }

  /** @param {string} id */
  see(id) {
    const image = new Image();
    image.onload = () => this.redraw();
    image.src = `inputs/${id}`;
    this.inputs.set(id, image);
  }

  /** @param {File} file */
  async importMask(file) {
    try {
      const { id } = await post("api/inputs", file);
      this.see(id);
      drawing.value = add(drawing.peek(), { input: id, op: "add" });
    } catch (error) {
      say(error instanceof Error ? error.message : String(error), true);
    }
  }

  async keep() {
    const [input] = form.peek().inputs;
    if (!input || isKeeping.peek()) return;
    isKeeping.value = true;
    try {
      const now = painting(drawing.peek());
      const made = await post("api/masks", { picture: input.id, painting: asPlan(now) });
      change({ mask: { id: made.id, share: made.share, painting: now } });
      if (made.notes.length) say(made.notes.join("; "));
      dialog.value = "";
    } catch (error) {
      const hint = /** @type {{ hint?: string }} */ (error).hint ?? "";
      say(`${error instanceof Error ? error.message : error} ${hint}`.trim(), true);
    } finally {
      isKeeping.value = false;
    }
  }

  render() {
    const now = drawing.value;
    return html`<${Modal}
      kind="mask"
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
        <label>
          ${t("brushSize")}
          <input
            type="range"
            min="1"
            max="400"
            value=${radius.value}
            onInput=${(/** @type {any} */ event) => (radius.value = Number(event.target.value))}
          />
        </label>
        <button onClick=${() => this.replace([...items(now), { rect: [0, 0, ...this.size], op: "add" }])}>${t("fill")}</button>
        <button aria-pressed=${now.invert} onClick=${() => this.set({ invert: !now.invert })}>${t("invert")}</button>
        <button onClick=${() => this.replace([])}>${t("clear")}</button>
        <button disabled=${now.at === 0} onClick=${() => this.turn(-1)}>${t("undo")}</button>
        <button disabled=${now.at === now.steps.length - 1} onClick=${() => this.turn(1)}>${t("redo")}</button>
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
      <canvas
        ref=${this.canvas}
        tabindex="0"
        role="img"
        aria-label=${t("maskCanvas")}
        onPointerDown=${(/** @type {PointerEvent} */ event) => this.onDown(event)}
        onPointerMove=${(/** @type {PointerEvent} */ event) => this.onMove(event)}
        onPointerUp=${(/** @type {PointerEvent} */ event) => this.onUp(event)}
        onPointerCancel=${(/** @type {PointerEvent} */ event) => this.onUp(event)}
        onPointerLeave=${() => {
          this.hover = null;
          this.redraw();
        }}
        onContextMenu=${(/** @type {Event} */ event) => event.preventDefault()}
      ></canvas>
      <div class="row foot">
        <p>${t("maskKeys")}</p>
        <button class="primary" disabled=${isKeeping.value || !items(now).length} onClick=${() => this.keep()}>
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
