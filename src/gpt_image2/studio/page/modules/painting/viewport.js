// What of a picture is seen on a canvas: the whole, or closer, moved by one pointer or by two fingers.

/** @typedef {{ x: number, y: number, zoom: number }} View Where the picture's corner is, and its scale. */
/** @typedef {[number, number]} Point */
const SHARE_OF_CANVAS = 0.96;
const LEAST_ZOOM = 0.02;
const MOST_ZOOM = 40;

export class Viewport {
  /** @type {View} */ view = { x: 0, y: 0, zoom: 1 };
  /** Pointers that are down, in pixels of the screen. @type {Map<number, Point>} */ pointers = new Map();

  /** Shows the whole picture. @param {Point} size @param {number} width @param {number} height */
  fit(size, width, height) {
    const zoom = Math.min(width / size[0], height / size[1]) * SHARE_OF_CANVAS;
    this.view = { zoom, x: (width - size[0] * zoom) / 2, y: (height - size[1] * zoom) / 2 };
  }

  /** A point of the screen in pixels of the picture. @param {Point} at @returns {Point} */
  on([x, y]) {
    const { view } = this;
    return [Math.round(((x - view.x) / view.zoom) * 10) / 10, Math.round(((y - view.y) / view.zoom) * 10) / 10];
  }

  /**
   * Another scale, the same point of the picture under the pointer.
   * @param {number} factor
   * @param {Point} at
   */
  zoom(factor, [x, y]) {
    const { view } = this;
    const zoom = Math.min(Math.max(view.zoom * factor, LEAST_ZOOM), MOST_ZOOM);
    const real = zoom / view.zoom;
    this.view = { zoom, x: x - (x - view.x) * real, y: y - (y - view.y) * real };
  }

  /**
   * Follows a pointer that is down; two of them hold the picture by two points.
   * @param {number} id
   * @param {Point} at
   */
  drag(id, at) {
    const before = this.pointers.get(id);
    if (!before) return;
    const other = [...this.pointers].find(([each]) => each !== id)?.[1];
    if (other) {
      const far = Math.hypot(before[0] - other[0], before[1] - other[1]);
      const farNow = Math.hypot(at[0] - other[0], at[1] - other[1]);
      this.zoom(far ? farNow / far : 1, [(before[0] + other[0]) / 2, (before[1] + other[1]) / 2]);
    }
    const share = other ? 0.5 : 1; // the middle of the two moves half as far as one of them
    const { view } = this;
    this.view = { ...view, x: view.x + (at[0] - before[0]) * share, y: view.y + (at[1] - before[1]) * share };
  }
}
