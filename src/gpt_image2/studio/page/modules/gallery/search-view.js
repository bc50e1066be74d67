// What is shown of the gallery: searched, filtered, counted and summed up.
import { Collect, Rename, collect, dissolve, dissolved, star } from "./collecting.js";
import { compareChosen } from "../compare/compare-view.js";
import { money } from "../format.js";
import { t } from "../i18n.js";
import { choices, chosen, filters, gallery, running } from "../store.js";
import { Typed } from "../typed.js";
import { html, signal } from "../view.js";

const WAIT_MS = 150;
let waiting = 0;
/** On narrow screens most filters are folded. */
const isOpen = signal(false);
/** What is typed, until it is searched for. */
const typed = signal(/** @type {string | null} */ (null));

/**
 * @param {string} name
 * @param {string} value
 */
function filter(name, value) {
  const next = { ...filters.peek() };
  if (value) next[name] = value;
  else delete next[name];
  filters.value = next;
}

/** @param {Event} event */
const valueOf = (event) => /** @type {HTMLInputElement} */ (event.target).value;

export function Search() {
  const { total, cost_usd } = gallery.value;
  // What is under way here counts as maybe until it has ended.
  const maybe_billed = Math.max(0, gallery.value.maybe_billed - running.value.length);
  const now = filters.value;
  return html`<div class=${isOpen.value ? "search open" : "search"} role="search">
    <input
      type="search"
      id="search"
      aria-label=${t("search")}
      placeholder=${t("search")}
      value=${typed.value ?? now.search ?? ""}
      onInput=${(/** @type {Event} */ event) => {
        typed.value = valueOf(event);
        clearTimeout(waiting);
        waiting = window.setTimeout(() => {
          filter("search", typed.peek() ?? "");
          typed.value = null;
        }, WAIT_MS);
      }}
    />
    <${Pick} name="model" />
    <${Pick} name="command" />
    <${Pick} name="status" />
    <${Pick} name="collection" />
    <button
      class="starred"
      aria-pressed=${now.starred === "1"}
      onClick=${() => filter("starred", now.starred ? "" : "1")}
    >
      <span aria-hidden="true">★</span> ${t("starred")}
    </button>
    <button class="more" aria-expanded=${isOpen.value} onClick=${() => (isOpen.value = !isOpen.value)}>${t("filters")}</button>
    <${Day} name="since" />
    <${Day} name="until" />
    <label class="day">
      ${t("least")}
      <${Typed}
        type="number"
        name="least"
        min="0"
        step="any"
        value=${now.least_usd ?? ""}
        onDone=${(/** @type {string} */ text) => filter("least_usd", text)}
      />
    </label>
    ${Object.keys(now).length > 0 && html`<button class="quiet" onClick=${() => (filters.value = {})}>${t("showAll")}</button>`}
    <p class="sum" aria-live="polite">
      ${t("sum", { count: total, cost: money(cost_usd) })}${maybe_billed ? ` · ${t("sumMaybe", { count: maybe_billed })}` : ""}
      ${chosen.value.length > 0 && ` · ${t("chosenCount", { count: chosen.value.length })}`}
    </p>
    ${chosen.value.length > 0 &&
    html`<div class="row">
      <a class="button" href=${`api/export?ids=${chosen.value.join(",")}`} download="pictures.zip">${t("exportZip")}</a>
      <button disabled=${chosen.value.length !== 2} onClick=${compareChosen}>${t("compareTitle")}</button>
      <button onClick=${() => star(chosen.peek(), true)}>${t("starChosen")}</button>
      <${Collect} ids=${chosen.value} place="chosen" />
      ${now.collection &&
      html`<button
        onClick=${() => collect(chosen.peek(), now.collection ?? "", false).then(() => (chosen.value = []))}
      >
        ${t("takeOut", { name: now.collection })}
      </button>`}
      <button class="quiet" onClick=${() => (chosen.value = [])}>${t("chooseNone")}</button>
    </div>`}
    <${Whole} />
  </div>`;
}

/** What can be done with a whole collection, or with all that is starred. */
function Whole() {
  const { starred, collection } = filters.value;
  if (!(starred || collection) || !gallery.value.total) return null;
  const query = new URLSearchParams({ ...(starred && { starred }), ...(collection && { collection }) });
  return html`<div class="row">
    <a class="button" href=${`api/export?${query}`} download="">
      ${collection ? t("exportCollection", { name: collection }) : t("exportStarred")}
    </a>
    ${collection && html`<${Rename} key=${collection} name=${collection} />`}
    ${collection && html`<button class="danger" onClick=${() => dissolve(collection)}>${t("dissolve", { name: collection })}</button>`}
  </div>`;
}

/** From the beginning of a day where the user is, or to the end of one. @param {{ name: "since" | "until" }} props */
function Day({ name }) {
  const given = filters.value[name];
  const moment = new Date(given ?? "");
  if (name === "until") moment.setDate(moment.getDate() - 1);
  const onDone = (/** @type {string} */ day) => {
    const start = new Date(`${day}T00:00:00`);
    if (name === "until") start.setDate(start.getDate() + 1);
    filter(name, Number.isNaN(start.getTime()) ? "" : start.toISOString());
  };
  return html`<label class="day">${t(name)}<${Typed} type="date" name=${name} value=${given ? dayOf(moment) : ""} onDone=${onDone} /></label>`;
}

/** A day where the user is, as a field of dates has it. @param {Date} moment */
function dayOf(moment) {
  return [moment.getFullYear(), moment.getMonth() + 1, moment.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}

/** @param {{ name: "model" | "command" | "status" | "collection" }} props */
function Pick({ name }) {
  const isCollection = name === "collection";
  const values = (choices.value[name] ?? []).filter((value) => !(isCollection && dissolved.value.has(value)));
  const picked = filters.value[name];
  if (values.length < (isCollection ? 1 : 2) && !picked) return null;
  if (picked && !values.includes(picked)) values.push(picked); // it has just become empty
  return html`<select
    name=${`filter-${name}`}
    aria-label=${t(name)}
    value=${picked ?? ""}
    onChange=${(/** @type {Event} */ event) => filter(name, valueOf(event))}
  >
    <option value="">${t(`any_${name}`)}</option>
    ${values.map((value) => html`<option value=${value}>${value}</option>`)}
  </select>`;
}
