// The pictures that are sent along: dropped, pasted, chosen from the disk, or taken from the gallery.
import { ApiError, post } from "./api.js";
import { t } from "./i18n.js";
import { change, form, model } from "./making.js";
import { say } from "./toasts.js";
import { Typed } from "./typed.js";
import { html, signal } from "./view.js";

const MOST = 16;

/** Whether something is being dragged over the page. */
export const isDragged = signal(false);

/** @param {Iterable<File>} files */
export async function addFiles(files) {
  for (const file of files) {
    try {
      const added = await post("api/inputs", file);
      addInput({ id: added.id, name: file.name, source: `inputs/${added.id}` });
      if (added.notes.length) say(`${file.name}: ${added.notes.join("; ")}`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      say(`${file.name}: ${error.message} ${error.hint}`.trim(), true);
    }
  }
}

/** @param {import("./types.js").Input} input */
export function addInput(input) {
  const { inputs } = form.peek();
  if (inputs.length >= MOST) return say(t("tooManyInputs", { most: MOST }), true);
  change({ inputs: [...inputs, input] });
}

/** Follows drops and pastes anywhere on the page. */
export function startInputs() {
  addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    isDragged.value = true;
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) isDragged.value = false;
  });
  addEventListener("drop", (event) => {
    isDragged.value = false;
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    addFiles(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) event.preventDefault();
    addFiles(files);
  });
}

/**
 * @param {number} from
 * @param {number} to
 */
function move(from, to) {
  const inputs = [...form.peek().inputs];
  const [moved] = inputs.splice(from, 1);
  if (moved) inputs.splice(to, 0, moved);
  change({ inputs });
}

/** @param {number} at */
function remove(at) {
  change({ inputs: form.peek().inputs.filter((_, each) => each !== at) });
}

/**
 * @param {number} at
 * @param {string} name
 */
function rename(at, name) {
  change({ inputs: form.peek().inputs.map((input, each) => (each === at ? { ...input, name } : input)) });
}

/** @param {{ onMask: () => void, onMarkup: () => void }} props */
export function Inputs({ onMask, onMarkup }) {
  const { inputs, mask, markup, keep_outside } = form.value;
  const canMarkUp = model()?.takes_markup;
  return html`<section class="inputs" aria-label=${t("inputs")}>
    <ol>
      ${inputs.map(
        (input, at) => html`<li key=${`${at}-${input.id}`}>
          <img src=${input.source} alt=${input.name} />
          <span class="number">${at + 1}</span>
          <${Typed}
            class="name"
            maxlength="100"
            dir="auto"
            aria-label=${t("nameInput", { number: at + 1 })}
            title=${t("nameNote")}
            value=${input.name}
            onDone=${(/** @type {string} */ text) => rename(at, text.trim())}
          />
          <div class="tools">
            <button
              aria-label=${t("moveBack", { name: input.name })}
              disabled=${at === 0}
              onClick=${() => move(at, at - 1)}
            >
              ←
            </button>
            <button
              aria-label=${t("moveOn", { name: input.name })}
              disabled=${at === inputs.length - 1}
              onClick=${() => move(at, at + 1)}
            >
              →
            </button>
            <button aria-label=${t("removeInput", { name: input.name })} onClick=${() => remove(at)}>×</button>
          </div>
        </li>`,
      )}
    </ol>
    <div class="row">
      <label class="button file">
        ${t("addInput")}
        <input
          type="file"
          accept="image/*"
          multiple
          onChange=${(/** @type {Event} */ event) => {
            const field = /** @type {HTMLInputElement} */ (event.target);
            addFiles([...(field.files ?? [])]).finally(() => (field.value = ""));
          }}
        />
      </label>
      ${inputs.length > 0 &&
      !markup &&
      html`<button onClick=${onMask}>${mask ? t("changeMask") : t("paintMask")}</button>`}
      ${mask && html`<button class="quiet" onClick=${() => change({ mask: null })}>${t("dropMask")}</button>`}
      ${inputs.length > 0 &&
      !mask &&
      canMarkUp &&
      html`<button onClick=${onMarkup}>${markup ? t("changeMarkup") : t("drawMarkup")}</button>`}
      ${markup && html`<button class="quiet" onClick=${() => change({ markup: null })}>${t("dropMarkup")}</button>`}
    </div>
    ${markup && html`<p class="share">${t("markupSent")}</p>`}
    ${mask &&
    html`<p class="share">${t("maskShare", { share: (mask.share * 100).toFixed(1) })}</p>
      <label class="check">
        <input
          type="checkbox"
          name="keep_outside"
          checked=${keep_outside}
          onChange=${(/** @type {Event} */ event) =>
            change({ keep_outside: /** @type {HTMLInputElement} */ (event.target).checked })}
        />
        ${t("keep_outside")}
      </label>`}
  </section>`;
}
