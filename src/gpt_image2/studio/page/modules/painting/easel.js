// A picture to draw on: it zooms at the pointer and moves, what is drawn is undone and redone. The editors of
// masks and of markups say what is drawn, and what becomes of it.
import { t } from "../i18n.js";
import { form } from "../making.js";
import { dialog } from "../store.js";
import { say } from "../toasts.js";
import { Component, createRef, html, signal } from "../view.js";
import { draw, drawCursor } from "./canvas.js";
import { add, begin, extend, isSomething, items, move, painting, step } from "./drawing.js";
import { moved } from "./pen.js";
import { Viewport } from "./viewport.js";

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
  port = new Viewport();
  /** @type {[number, number]} */ size = [0, 0];
  /** The item that is being painted. @type {import("./drawing.js").Item | null} */ wet = null;
  /** @type {[number, number]} */ start = [0, 0];
  /** @type {[number, number] | null} */ hover = null;
  /** How large the keyboard's pen is shown, in pixels of the screen; 0 while it is not used. */
  penRadius = 0;
  isPanning = false;
  isSpaceDown = false;
  isWaiting = false;
  /** @type {import("./canvas.js").Inputs} */ inputs = new Map();
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
      this.tell(error);
    } finally {
      this.isKeeping.value = false;
    }
  }

  /** @param {unknown} error */
  tell(error) {
    const hint = /** @type {{ hint?: string }} */ (error).hint ?? "";
    say(`${error instanceof Error ? error.message : error} ${hint}`.trim(), true);
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
    const onWheel = (/** @type {WheelEvent} */ event) => {
      event.preventDefault();
      this.port.zoom(Math.exp(-event.deltaY / 400), this.at(event));
      this.redraw();
    };
    this.frame.addEventListener("wheel", onWheel, { passive: false });
  }

  componentWillUnmount() {
    this.watched?.disconnect();
  }

  fit() {
    const { frame } = this;
    if (!frame || !this.size[0]) return;
    frame.width = Math.round(frame.clientWidth * devicePixelRatio);
    frame.height = Math.round(frame.clientHeight * devicePixelRatio);
    this.port.fit(this.size, frame.width, frame.height);
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
      draw(context, this.image, this.size, this.port.view, now, this.layer, this.inputs, this.strength);
      const radius = this.isBrush() ? this.radius.peek() * this.port.view.zoom : this.penRadius;
      if (this.hover && radius) drawCursor(context, this.hover, radius);
    });
  }

  /** Where a pointer is, in pixels of the screen. @param {MouseEvent} event @returns {[number, number]} */
  at(event) {
    const place = this.frame.getBoundingClientRect();
    return [(event.clientX - place.left) * devicePixelRatio, (event.clientY - place.top) * devicePixelRatio];
  }

  /** @param {PointerEvent} event */
  onDown(event) {
    event.preventDefault();
    this.frame.focus();
    this.frame.setPointerCapture(event.pointerId);
    const at = this.at(event);
    const { pointers } = this.port;
    pointers.set(event.pointerId, at);
    if (pointers.size === 2) this.wet = null; // two fingers move the picture
    this.isPanning = this.isSpaceDown || event.button === 1;
    if (this.isPanning || pointers.size > 1 || event.button > 1) return;
    this.begin(at, event.button === 2 || event.altKey);
    this.redraw();
  }

  /** Begins an item. @param {[number, number]} at in pixels of the screen @param {boolean} isErasing */
  begin(at, isErasing) {
    this.start = this.port.on(at);
    this.wet = this.begun(this.start, isErasing);
  }

  /** Goes on with the item. @param {[number, number]} at in pixels of the screen */
  follow(at) {
    if (this.wet) extend(this.wet, this.start, this.port.on(at));
  }

  /** Ends the item. */
  finish() {
    const { wet } = this;
    this.wet = null;
    if (wet && isSomething(wet)) this.drawing.value = add(this.drawing.peek(), wet);
  }

  /** @param {PointerEvent} event */
  onMove(event) {
    const at = this.at(event);
    const { pointers } = this.port;
    this.hover = event.pointerType === "touch" ? null : at;
    this.penRadius = 0;
    if (this.isPanning || pointers.size === 2) this.port.drag(event.pointerId, at);
    if (pointers.has(event.pointerId)) pointers.set(event.pointerId, at);
    if (pointers.has(event.pointerId)) {
      const events = event.getCoalescedEvents?.() ?? [];
      for (const each of events.length ? events : [event]) this.follow(this.at(each));
    }
    this.redraw();
  }

  /** @param {PointerEvent} event */
  onUp(event) {
    this.port.pointers.delete(event.pointerId);
    if (!this.port.pointers.size) this.isPanning = false;
    this.finish();
    this.redraw();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.target instanceof HTMLInputElement && ["number", "text"].includes(event.target.type)) return;
    const isUndo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
    if (isUndo) this.turn(event.shiftKey ? 1 : -1);
    else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "y") this.turn(1);
    else if (event.ctrlKey || event.metaKey) return;
    else if (moved(this, event)) return event.preventDefault();
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
    this.port.zoom(factor, [this.frame.width / 2, this.frame.height / 2]);
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

  /** Fetches what was painted elsewhere. @param {string} id */
  see(id) {
    const image = new Image();
    image.onload = () => {
      const layer = document.createElement("canvas");
      [layer.width, layer.height] = [image.naturalWidth, image.naturalHeight];
      layer.getContext("2d")?.drawImage(image, 0, 0);
      this.inputs.set(id, this.asPainted(layer));
      this.redraw();
    };
    image.src = `inputs/${id}`;
  }

  /** How it looks among what is drawn. @param {HTMLCanvasElement} layer */
  asPainted(layer) {
    return layer;
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
}
