// The form of the next click, with its price on the button.
import { duration, money, priceInWords } from "./format.js";
import { t } from "./i18n.js";
import { Inputs } from "./inputs.js";
import { change, click, form, isOverCeiling, isPricing, isSending, model, price, problem, setCeiling } from "./making.js";
import { budget, dialog, studio } from "./store.js";
import { Typed } from "./typed.js";
import { html } from "./view.js";

const RATIOS = ["1:1", "3:2", "2:3", "4:3", "3:4", "16:9", "9:16", "2:1", "3:1"];
const TIERS = ["", "@2k", "@4k"];

/** @param {Event} event */
const valueOf = (event) => /** @type {HTMLInputElement} */ (event.target).value;

export function Make() {
  return html`<form
    class="make"
    aria-label=${t("make")}
    onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}
  >
    <label class="prompt">
      ${t("prompt")}
      <textarea
        id="prompt"
        rows="5"
        maxlength="32000"
        dir="auto"
        placeholder=${t("promptHint")}
        value=${form.value.prompt}
        onInput=${(/** @type {Event} */ event) => change({ prompt: valueOf(event) })}
      ></textarea>
    </label>
    <${Inputs} onMask=${() => (dialog.value = "mask")} onMarkup=${() => (dialog.value = "markup")} />
    <${Fields} />
    <${Click} />
  </form>`;
}

function Fields() {
  const known = studio.value;
  const { quality, n, output_format, background, partial_images } = form.value;
  const can = model();
  const formats = can?.output_formats ?? ["png", "jpeg", "webp"];
  return html`<div class="fields">
    <${Choice} name="model" values=${known?.models.map((each) => each.name) ?? []} unset=${known?.model ?? ""} />
    <${Size} />
    <${Choice} name="quality" values=${(can?.qualities ?? ["low", "medium", "high"]).filter((each) => each !== "auto")} unset="auto" value=${quality} />
    <label>
      ${t("n")}
      <input
        type="number"
        name="n"
        min="1"
        max="10"
        value=${n}
        onInput=${(/** @type {Event} */ event) => change({ n: Number(valueOf(event)) || 1 })}
      />
    </label>
    <${Choice} name="output_format" values=${formats.filter((each) => each !== "png")} unset="png" value=${output_format} />
    <${Choice} name="background" values=${["opaque", "transparent"]} unset="auto" value=${background} />
    <${Words} name="exact" placeholder="1200x630" />
    ${form.value.inputs.length > 0 && html`<${Words} name="extend" placeholder="left=25%,right=25%" />`}
    <label>
      ${t("partial_images")}
      <select
        value=${String(partial_images)}
        disabled=${n > 1 || output_format === "gif" || output_format === "svg"}
        onChange=${(/** @type {Event} */ event) => change({ partial_images: Number(valueOf(event)) })}
      >
        ${[0, 1, 2, 3].map((count) => html`<option value=${count}>${count}</option>`)}
      </select>
    </label>
  </div>`;
}

/** @param {{ name: "model" | "quality" | "output_format" | "background", values: string[], unset: string }} props */
function Choice({ name, values, unset }) {
  return html`<label>
    ${t(name)}
    <select
      name=${name}
      value=${form.value[name]}
      onChange=${(/** @type {Event} */ event) => change({ [name]: valueOf(event) })}
    >
      <option value="">${unset}</option>
      ${values
        .filter((value) => value !== unset)
        .map((value) => html`<option value=${value}>${value}</option>`)}
      ${form.value[name] && !values.includes(form.value[name]) && html`<option value=${form.value[name]}>${form.value[name]}</option>`}
    </select>
  </label>`;
}

/** @param {{ name: "exact" | "extend", placeholder: string }} props */
function Words({ name, placeholder }) {
  return html`<label>
    ${t(name)}
    <${Typed}
      name=${name}
      placeholder=${placeholder}
      value=${form.value[name]}
      onDone=${(/** @type {string} */ text) => change({ [name]: text.trim() })}
    />
  </label>`;
}

function Size() {
  const sizes = studio.value?.sizes ?? {};
  const { size } = form.value;
  const ratios = RATIOS.flatMap((ratio) => TIERS.map((tier) => ratio + tier));
  const isListed = !size || size in sizes || ratios.includes(size);
  const legal = price.value?.size;
  return html`<label>
    ${t("size")} ${legal && html`<output class="legal">${legal[0]} × ${legal[1]}</output>`}
    <select
      name="size"
      value=${size}
      onChange=${(/** @type {Event} */ event) => change({ size: valueOf(event) })}
    >
      <option value="">auto</option>
      <optgroup label=${t("byPurpose")}>
        ${Object.entries(sizes).map(([name, pixels]) => html`<option value=${name}>${name} (${pixels})</option>`)}
      </optgroup>
      <optgroup label=${t("byRatio")}>
        ${ratios.map((ratio) => html`<option value=${ratio}>${ratio}</option>`)}
      </optgroup>
      ${!isListed && html`<option value=${size}>${size}</option>`}
    </select>
    <${Typed}
      class="exact"
      name="pixels"
      aria-label=${t("exactPixels")}
      placeholder=${t("exactPixels")}
      value=${isListed ? "" : size}
      onDone=${(/** @type {string} */ text) => change({ size: text.trim() })}
    />
  </label>`;
}

function Click() {
  const isEmpty = !form.value.prompt.trim();
  const over = isOverCeiling();
  const words = priceInWords(price.value);
  const cannot = isEmpty || isSending.value || problem.value !== null || over || !price.value;
  return html`<div class="click" aria-busy=${isPricing.value}>
    <button
      type="button"
      class="primary"
      disabled=${cannot}
      onClick=${(/** @type {MouseEvent} */ event) => {
        if (event.detail < 2) click(); // a double click is one click
      }}
    >
      ${t(form.value.inputs.length ? "editButton" : "makeButton")} ${words && html`<span class="cost">${words}</span>`}
    </button>
    <p class="about" aria-live="polite">
      ${price.value && t("takesAbout", { time: duration(price.value.typical_s) })}
      ${price.value?.note && html` · <span>${price.value.note}</span>`}
    </p>
    ${problem.value && html`<p class="problem" role="alert">${problem.value.message}. ${problem.value.hint}</p>`}
    ${over && html`<p class="problem" role="alert">${t("overCeiling")}</p>`}
    ${price.value?.warnings.map((warning) => html`<p class="warning">${warning}</p>`)}
  </div>`;
}

export function Ceiling() {
  const known = budget.value;
  if (!known) return null;
  return html`<div class="ceiling">
    <label>
      ${t("ceiling")}
      <${Typed}
        type="number"
        name="ceiling"
        min="0"
        step="any"
        placeholder=${t("none")}
        value=${known.max_cost_usd ?? ""}
        onDone=${(/** @type {string} */ text) => setCeiling(text === "" ? null : Number(text))}
      />
    </label>
    <p>
      ${t("visit", { spent: money(known.spent_usd) })}
      ${known.held_usd > 0 && ` · ${t("held", { held: money(known.held_usd) })}`}
      ${known.left_usd !== null && ` · ${t("left", { left: money(known.left_usd) })}`}
    </p>
  </div>`;
}
