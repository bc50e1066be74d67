// What is painted, as strokes and shapes in pixels of the picture: changed, undone and redone. Pure.

/**
 * @typedef {object} Item One stroke or shape. Points are pixels of the picture as it is seen.
 * @property {[number, number][]} [stroke]
 * @property {number} [radius] half the width of a line; a text is as high as ten of it
 * @property {[number, number, number, number]} [rect]
 * @property {[number, number, number, number]} [ellipse]
 * @property {[number, number][]} [polygon]
 * @property {string} [input]
 * @property {[[number, number], [number, number]]} [arrow] from, to
 * @property {string} [text]
 * @property {[number, number]} [at] the middle of a text
 * @property {string} [colour] of a markup
 * @property {"add" | "subtract"} op
 */
/**
 * @typedef {object} Painting
 * @property {Item[]} items
 * @property {boolean} invert
 * @property {number} grow in pixels
 * @property {number} feather in pixels
 */
/**
 * @typedef {object} Drawing A painting with its past. Steps share their items, so that a hundred of them weigh
 * as much as what was painted.
 * @property {Item[][]} steps
 * @property {number} at
 * @property {boolean} invert
 * @property {number} grow
 * @property {number} feather
 */
const MOST_STEPS = 500;

/** @param {Painting | null} painting @returns {Drawing} */
export function begin(painting) {
  const { items = [], invert = false, grow = 0, feather = 0 } = painting ?? {};
  return { steps: [items], at: 0, invert, grow, feather };
}

/** @param {Drawing} drawing @returns {Item[]} */
export function items(drawing) {
  return drawing.steps[drawing.at] ?? [];
}

/** @param {Drawing} drawing @param {Item[]} next @returns {Drawing} */
export function step(drawing, next) {
  const steps = [...drawing.steps.slice(0, drawing.at + 1), next].slice(-MOST_STEPS);
  return { ...drawing, steps, at: steps.length - 1 };
}

/** @param {Drawing} drawing @param {Item} item @returns {Drawing} */
export function add(drawing, item) {
  return step(drawing, [...items(drawing), item]);
}

/** @param {Drawing} drawing @param {-1 | 1} direction @returns {Drawing} */
export function move(drawing, direction) {
  const at = Math.min(Math.max(drawing.at + direction, 0), drawing.steps.length - 1);
  return { ...drawing, at };
}

/** @param {Drawing} drawing @returns {Painting} */
export function painting(drawing) {
  const { invert, grow, feather } = drawing;
  return { items: items(drawing), invert, grow, feather };
}

/** The painting as the server reads it. @param {Painting} painting */
export function asPlan({ items, invert, grow, feather }) {
  return {
    items: items.map((item) => {
      const { polygon, rect, ellipse, ...rest } = item;
      /** @type {Record<string, unknown>} */
      const found = { ...rest };
      // Whole pixels: a number with a point could be read as a fraction of the picture.
      if (polygon) found.polygon = polygon.map((point) => point.map(Math.round));
      if (rect) found.rect = rect.map(Math.round);
      if (ellipse) found.ellipse = ellipse.map(Math.round);
      return found;
    }),
    invert,
    grow: `${grow}px`,
    feather: `${feather}px`,
  };
}

/**
 * The box between two corners, its width and height at least a pixel.
 * @param {[number, number]} one
 * @param {[number, number]} two
 * @returns {[number, number, number, number]}
 */
export function box([x1, y1], [x2, y2]) {
  return [Math.min(x1, x2), Math.min(y1, y2), Math.max(1, Math.abs(x2 - x1)), Math.max(1, Math.abs(y2 - y1))];
}

/**
 * Follows a pointer that draws an item, which is changed.
 * @param {Item} wet
 * @param {[number, number]} start
 * @param {[number, number]} point
 */
export function extend(wet, start, point) {
  if (wet.rect) wet.rect = box(start, point);
  else if (wet.ellipse) wet.ellipse = box(start, point);
  else if (wet.arrow) wet.arrow = [start, point];
  else if (wet.at) wet.at = point;
  else (wet.stroke ?? wet.polygon ?? []).push(point);
}

/** Whether an item is more than a slip of the pointer. @param {Item} item */
export function isSomething({ polygon, arrow }) {
  if (arrow) return arrow[0][0] !== arrow[1][0] || arrow[0][1] !== arrow[1][1];
  return !polygon || polygon.length > 2;
}
