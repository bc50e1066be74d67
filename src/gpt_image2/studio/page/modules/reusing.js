// Fills the form with all that a request of the history was asked with.
import { post } from "./api.js";
import { t } from "./i18n.js";
import { change, EMPTY } from "./making.js";
import { studio } from "./store.js";
import { say } from "./toasts.js";

/**
 * What was sent as a picture, as something to paint on further.
 * @param {{ id: string }} sent
 */
const painted = (sent) => ({ items: [{ input: sent.id, op: /** @type {const} */ ("add") }], invert: false, grow: 0, feather: 0 });

/** @param {number} request */
export async function reuse(request) {
  try {
    const past = await post(`api/requests/${request}/reuse`, {});
    const { size, quality, n, output_format, background, partial_images } = past.fields;
    const { mask, markup } = past;
    change({
      ...EMPTY,
      prompt: past.prompt,
      model: past.model === studio.peek()?.model ? "" : past.model,
      size: size ?? "",
      quality: quality ?? "",
      n: n ?? 1,
      output_format: output_format ?? "",
      background: background ?? "",
      partial_images: partial_images ?? 0,
      inputs: past.inputs.map((/** @type {{ id: string, name: string }} */ { id, name }) => ({
        id,
        name,
        source: `${id.startsWith("in-") ? "inputs" : "thumbnails"}/${id}`,
      })),
      mask: mask && { ...mask, painting: painted(mask) },
      markup: markup && { ...markup, painting: painted(markup) },
    });
    if (past.missing) say(t("inputsMissing"), true);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error), true);
  }
}
