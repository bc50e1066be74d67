// Draws a painting over its picture, in the pixels of the screen: what is painted costs no more for a large
// picture than for a small one.

/** @typedef {Map<string, HTMLCanvasElement>} Inputs What was painted elsewhere, as large as the picture, by its id. */
const TINT = "rgb(255, 0, 80)";
/** How high text is, and how long an arrow's head, in radii of the line. */
const TEXT_RADII = 10;
const HEAD_RADII = 8;

/**
 * @param {CanvasRenderingContext2D} context
 * @param {ImageBitmap | HTMLImageElement} image
 * @param {[number, number]} size of the picture, in its pixels
 * @param {import("./viewport.js").View} view
 * @param {import("./drawing.js").Painting} painting
 * @param {HTMLCanvasElement} layer to draw the painting on first
 * @param {Inputs} inputs
 * @param {number} strength of what is painted, from 0 to 1
 */
export function draw(context, image, size, view, painting, layer, inputs, strength) {
  const { canvas } = context;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = view.zoom < 3;
  context.drawImage(image, view.x, view.y, size[0] * view.zoom, size[1] * view.zoom);
  if (layer.width !== canvas.width || layer.height !== canvas.height) {
    layer.width = canvas.width;
    layer.height = canvas.height;
  }
  const mask = /** @type {CanvasRenderingContext2D} */ (layer.getContext("2d"));
  mask.setTransform(1, 0, 0, 1, 0, 0);
  mask.globalCompositeOperation = "source-over";
  mask.clearRect(0, 0, layer.width, layer.height);
  mask.save();
  mask.setTransform(view.zoom, 0, 0, view.zoom, view.x, view.y);
  mask.beginPath();
  mask.rect(0, 0, ...size);
  mask.clip();
  for (const item of painting.items) paint(mask, item, size, inputs);
  if (painting.invert) {
    mask.globalCompositeOperation = "xor";
    mask.fillStyle = TINT;
    mask.fillRect(0, 0, ...size);
  }
  mask.restore();
  context.save();
  context.globalAlpha = strength;
  if (painting.feather) context.filter = `blur(${(painting.feather * view.zoom) / 4}px)`;
  context.drawImage(layer, 0, 0);
  context.restore();
}

/**
 * @param {CanvasRenderingContext2D} mask
 * @param {import("./drawing.js").Item} item
 * @param {[number, number]} size
 * @param {Inputs} inputs
 */
function paint(mask, item, size, inputs) {
  mask.fillStyle = mask.strokeStyle = item.colour ?? TINT;
  mask.lineCap = mask.lineJoin = "round";
  mask.globalCompositeOperation = item.op === "subtract" ? "destination-out" : "source-over";
  mask.beginPath();
  if (item.stroke && item.radius) {
    const [first, ...rest] = item.stroke;
    if (!first) return;
    mask.lineWidth = 2 * item.radius;
    mask.moveTo(...first);
    for (const point of rest.length ? rest : [first]) mask.lineTo(...point);
    mask.stroke();
  } else if (item.arrow && item.radius) {
    paintArrow(mask, ...item.arrow, item.radius);
  } else if (item.text && item.at && item.radius) {
    mask.font = `600 ${TEXT_RADII * item.radius}px system-ui, sans-serif`;
    mask.textAlign = "center";
    mask.textBaseline = "middle";
    mask.fillText(item.text, ...item.at);
  } else if (item.rect) {
    mask.fillRect(...item.rect);
  } else if (item.ellipse) {
    const [x, y, width, height] = item.ellipse;
    mask.ellipse(x + width / 2, y + height / 2, width / 2, height / 2, 0, 0, 2 * Math.PI);
    mask.fill();
  } else if (item.polygon) {
    item.polygon.forEach((point) => mask.lineTo(...point));
    mask.fill("evenodd");
  } else if (item.input) {
    const image = inputs.get(item.input);
    if (image) mask.drawImage(image, 0, 0, ...size);
  }
}

/**
 * @param {CanvasRenderingContext2D} mask
 * @param {[number, number]} from
 * @param {[number, number]} to
 * @param {number} radius
 */
function paintArrow(mask, from, to, radius) {
  const angle = Math.atan2(to[1] - from[1], to[0] - from[0]);
  mask.lineWidth = 2 * radius;
  mask.moveTo(...from);
  mask.lineTo(...to);
  for (const side of [-1, 1]) {
    const turned = angle + (side * Math.PI * 5) / 6;
    mask.moveTo(...to);
    mask.lineTo(to[0] + HEAD_RADII * radius * Math.cos(turned), to[1] + HEAD_RADII * radius * Math.sin(turned));
  }
  mask.stroke();
}

/**
 * A brush at its true size.
 * @param {CanvasRenderingContext2D} context
 * @param {[number, number]} at
 * @param {number} radius
 */
export function drawCursor(context, at, radius) {
  for (const [colour, width] of /** @type {const} */ ([["#000", 3], ["#fff", 1.5]])) {
    context.strokeStyle = colour;
    context.lineWidth = width * devicePixelRatio;
    context.beginPath();
    context.arc(...at, radius, 0, 2 * Math.PI);
    context.stroke();
  }
}

/**
 * What was drawn, alone, on a transparent picture of a size; null where nothing is seen of it.
 * @param {import("./drawing.js").Item[]} items
 * @param {[number, number]} size
 * @param {Inputs} inputs
 * @returns {HTMLCanvasElement | null}
 */
export function alone(items, size, inputs) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = size;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  for (const item of items) paint(context, item, size, inputs);
  const { data } = context.getImageData(0, 0, ...size);
  for (let at = 3; at < data.length; at += 4) if (data[at]) return canvas;
  return null;
}

/**
 * What a mask lets be edited, where it is clear, in the colour of what is painted.
 * @param {HTMLCanvasElement} mask is changed to it
 */
export function tinted(mask) {
  const context = /** @type {CanvasRenderingContext2D} */ (mask.getContext("2d"));
  context.globalCompositeOperation = "source-out";
  context.fillStyle = TINT;
  context.fillRect(0, 0, mask.width, mask.height);
}
