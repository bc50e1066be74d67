// A picture to draw on: it zooms at the pointer and moves, what is drawn is undone and redone. The editors of
// masks and of markups say what is drawn, and what becomes of it.
import { t } from "../i18n.js";
import { form } from "../making.js";
import { dialog } from "../store.js";
import { say } from "../toasts.js";
import { Component, createRef, html, signal } from "../view.js";
import { draw, whole, zoomed } from "./canvas.js";
import { add, begin, box, items, move, painting, step } from "./drawing.js";

const STEP = 1.15;

export class Easel extends Component {
  canvas = createRef();
  drawing = signal(begin(null));
  isKeeping = signal(false);
  /** Half the width of a line, in pixels of the picture. */
  radius = signal(40);
  /** The radius to begin with: this share of the shorter side, and its least. */
  radiiAcross = 24;
  leastRadius = 4;
  /** How strongly what is drawn covers the picture, from 0 to 1. */
  strength = 1;
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

  /** What was drawn before. @returns {import("./drawing.js").Painting | null} */
  kept() {
    return null;
  }

  /** Whether the pointer is a brush, whose size is shown. */
  isBrush() {
    return false;
  }

  /**
   * What a pointer begins to draw; null where it is nothing.
   * @param {[number, number]} _point
   * @param {boolean} _isErasing by Alt or the right button
   * @returns {import("./drawing.js").Item | null}
   */
  begun(_point, _isErasing) {
    return null;
  }

  /** Whether a key chose a tool. @param {string} _key */
  onToolKey(_key) {
    return false;
  }

  /** Makes use of what is drawn; raises where it cannot be used. */
  async use() {}

  async keep() {
    if (this.isKeeping.peek() || !this.size[0]) return;
    this.isKeeping.value = true;
    try {
      await this.use();
      dialog.value = "";
    } catch (error) {
      const hint = /** @type {{ hint?: string }} */ (error).hint ?? "";
      say(`${error instanceof Error ? error.message : error} ${hint}`.trim(), true);
    } finally {
      this.isKeeping.value = false;
    }
  }

  get frame() {
    return /** @type {HTMLCanvasElement} */ (/** @type {unknown} */ (this.canvas.current));
  }

  componentDidMount() {
    const [input] = form.peek().inputs;
    if (!input) return;
    this.frame.focus();
    this.drawing.value = begin(this.kept());
    for (const item of items(this.drawing.peek())) if (item.input) this.see(item.input);
    this.image.onload = () => {
      this.size = [this.image.naturalWidth, this.image.naturalHeight];
      this.radius.value = Math.round(Math.max(this.leastRadius, Math.min(...this.size) / this.radiiAcross));
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
      const now = painting(this.drawing.peek());
      if (this.wet) now.items = [...now.items, this.wet];
      draw(context, this.image, this.size, this.view, now, this.layer, this.inputs, this.strength);
      this.drawCursor(context);
    });
  }

  /** The brush at its true size. @param {CanvasRenderingContext2D} context */
  drawCursor(context) {
    if (!this.hover || !this.isBrush()) return;
    for (const [colour, width] of /** @type {const} */ ([["#000", 3], ["#fff", 1.5]])) {
      context.strokeStyle = colour;
      context.lineWidth = width * devicePixelRatio;
      context.beginPath();
      context.arc(...this.hover, this.radius.peek() * this.view.zoom, 0, 2 * Math.PI);
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
    this.wet = this.begun(point, event.button === 2 || event.altKey);
    this.redraw();
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
      else if (wet.arrow) wet.arrow = [this.start, point];
      else if (wet.at) wet.at = point;
      else (wet.stroke ?? wet.polygon ?? []).push(point);
    }
  }

  /** @param {PointerEvent} event */
  onUp(event) {
    this.pointers.delete(event.pointerId);
    if (!this.pointers.size) this.isPanning = false;
    const { wet } = this;
    this.wet = null;
    const isTooLittle = (wet?.polygon && wet.polygon.length < 3) || (wet?.arrow && isPoint(wet.arrow));
    if (wet && !isTooLittle) this.drawing.value = add(this.drawing.peek(), wet);
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
    if (event.target instanceof HTMLInputElement && ["number", "text"].includes(event.target.type)) return;
    const isUndo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
    if (isUndo) this.turn(event.shiftKey ? 1 : -1);
    else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "y") this.turn(1);
    else if (event.ctrlKey || event.metaKey) return;
    else if (event.key === "[") this.resize(1 / STEP);
    else if (event.key === "]") this.resize(STEP);
    else if (event.key === "+") this.zoom(STEP);
    else if (event.key === "-") this.zoom(1 / STEP);
    else if (event.key === "0") this.fit();
    else if (this.onToolKey(event.key)) this.redraw();
    else if (event.key === " " && !(event.target instanceof HTMLButtonElement)) this.isSpaceDown = true;
    else return;
    event.preventDefault();
  }

  /** @param {number} factor */
  resize(factor) {
    this.radius.value = Math.min(Math.max(Math.round(this.radius.peek() * factor + (factor > 1 ? 0.5 : -0.5)), 1), 2000);
    this.redraw();
  }

  /** @param {number} factor */
  zoom(factor) {
    this.view = zoomed(this.view, factor, this.frame.width / 2, this.frame.height / 2);
    this.redraw();
  }

  /** @param {-1 | 1} direction */
  turn(direction) {
    this.drawing.value = move(this.drawing.peek(), direction);
    this.redraw();
  }

  /** @param {import("./drawing.js").Item[]} next */
  replace(next) {
    this.drawing.value = step(this.drawing.peek(), next);
    this.redraw();
  }

  /** @param {string} id */
  see(id) {
    const image = new Image();
    image.onload = () => this.redraw();
    image.src = `inputs/${id}`;
    this.inputs.set(id, image);
  }

  /** The picture with what is drawn on it. @param {string} label */
  stage(label) {
    return html`<canvas
      ref=${this.canvas}
      tabindex="0"
      role="img"
      aria-label=${label}
      onPointerDown=${(/** @type {PointerEvent} */ event) => this.onDown(event)}
      onPointerMove=${(/** @type {PointerEvent} */ event) => this.onMove(event)}
      onPointerUp=${(/** @type {PointerEvent} */ event) => this.onUp(event)}
      onPointerCancel=${(/** @type {PointerEvent} */ event) => this.onUp(event)}
      onPointerLeave=${() => {
        this.hover = null;
        this.redraw();
      }}
      onContextMenu=${(/** @type {Event} */ event) => event.preventDefault()}
    ></canvas>`;
  }

  /** The tools that every editor has; `others` come after the size. @param {unknown} others */
  common(others) {
    const now = this.drawing.value;
    return html`<label>
        ${t("brushSize")}
        <input
          type="range"
          min="1"
          max="400"
          value=${this.radius.value}
          onInput=${(/** @type {any} */ event) => (this.radius.value = Number(event.target.value))}
        />
      </label>
      ${others}
      <button onClick=${() => this.replace([])}>${t("clear")}</button>
      <button disabled=${now.at === 0} onClick=${() => this.turn(-1)}>${t("undo")}</button>
      <button disabled=${now.at === now.steps.length - 1} onClick=${() => this.turn(1)}>${t("redo")}</button>`;
  }
}

/** @param {[[number, number], [number, number]]} arrow */
function isPoint([from, to]) {
  return from[0] === to[0] && from[1] === to[1];
}
