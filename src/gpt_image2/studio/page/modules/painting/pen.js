// A pen for the keyboard: the arrow keys move it over the picture, Enter puts it down and takes it up.

/** @type {Record<string, [number, number]>} */
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STEP_PX = 8;
const LONG_STEP_PX = 64;
const SHOWN_PX = 6;

/**
 * Whether a key was one of the pen's, and has done what it does.
 * @param {import("./easel.js").Easel} easel
 * @param {KeyboardEvent} event
 */
export function moved(easel, event) {
  const { frame } = easel;
  if (event.target !== frame) return false;
  const at = easel.hover ?? [frame.width / 2, frame.height / 2];
  const step = STEPS[event.key];
  if (step) {
    const far = (event.shiftKey ? LONG_STEP_PX : STEP_PX) * devicePixelRatio;
    easel.hover = [within(at[0] + step[0] * far, frame.width), within(at[1] + step[1] * far, frame.height)];
    easel.follow(easel.hover);
  } else if (event.key === "Enter" && !event.repeat) {
    easel.hover = at;
    if (easel.wet) easel.finish();
    else easel.begin(at, event.altKey);
  } else return false;
  easel.penRadius = SHOWN_PX * devicePixelRatio;
  easel.redraw();
  return true;
}

/** @param {number} place @param {number} most */
const within = (place, most) => Math.min(Math.max(place, 0), most);
