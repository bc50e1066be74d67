// One picture, large: what was asked beside what came, and what can be done with it.
import { get, post } from "../api.js";
import { Marks, star } from "./collecting.js";
import { money, weight, when } from "../format.js";
import { costInWords } from "./card-view.js";
import { gone } from "./gallery-view.js";
import { t } from "../i18n.js";
import { addInput } from "../inputs.js";
import { need } from "./loading.js";
import { change, form } from "../making.js";
import { reuse } from "../reusing.js";
import { chosen, dialog, gallery, hidden, looked, tab } from "../store.js";
import { say, sayUndoable } from "../toasts.js";
import { Modal } from "../modal.js";
import { effect, html, signal } from "../view.js";

/** All that is known of the request that is looked at. */
const past = signal(/** @type {any} */ (null));

effect(() => {
  const card = looked.value;
  if (!card || card.request === null) past.value = null;
  else if (past.peek()?.id !== card.request) {
    get(`api/requests/${card.request}`).then(
      (found) => (past.value = found),
      () => (past.value = null),
    );
  }
});

// A request that is looked at while it is under way becomes its picture.
effect(() => {
  const card = looked.value;
  if (!card || card.picture) return;
  const now = gallery.value.cards.find((each) => each?.request === card.request);
  if (now && (now.picture || now.status !== card.status)) looked.value = now;
});

// Another window may star or collect what is looked at here.
effect(() => {
  const { cards } = gallery.value;
  const card = looked.peek();
  const now = card && cards.find((each) => each?.id === card.id);
  if (card && now && marksOf(now) !== marksOf(card)) looked.value = now;
});

/** @param {import("../types.js").Card} card */
const marksOf = (card) => JSON.stringify([card.is_starred, [...card.collections].sort()]);

/** @param {number} step */
function turn(step) {
  const { cards, total } = gallery.peek();
  const at = cards.findIndex((each) => each?.id === looked.peek()?.id);
  let next = at + step;
  while (hidden.peek().has(cards[next]?.id ?? "")) next += step;
  if (at < 0 || next < 0 || next >= total) return;
  need(next, next + 1);
  looked.value = cards[next] ?? looked.peek();
}

/** @param {string} text */
async function copy(text) {
  await navigator.clipboard.writeText(text);
  say(t("copied"));
}

/** @param {Promise<unknown>} work */
function tried(work) {
  work.catch((error) => say(`${error.message} ${error.hint ?? ""}`.trim(), true));
}

/**
 * Hides cards at once, and does it for good when it cannot be taken back any more.
 * @param {string[]} ids
 * @param {string} text
 * @param {string} path
 */
function takeAway(ids, text, path) {
  looked.value = null;
  hidden.value = new Set([...hidden.peek(), ...ids]);
  chosen.value = chosen.peek().filter((id) => !ids.includes(id));
  const show = () => (hidden.value = new Set([...hidden.peek()].filter((id) => !ids.includes(id))));
  sayUndoable(text, () => tried(post(path, {}, { keepalive: true })), show);
}

/** @param {import("../types.js").Card} card */
function forget(card) {
  const ids = gallery.peek().cards.flatMap((each) => (each?.request === card.request ? [each.id] : []));
  takeAway(ids, t("forgotten"), `api/requests/${card.request}/forget`);
}

/** @param {import("../types.js").Card} card */
function remove(card) {
  takeAway([card.id], t("deleted"), `api/pictures/${card.id}/delete`);
}

/** @param {import("../types.js").Card} card */
function useAsInput(card) {
  addInput({ id: card.id, name: [...card.prompt].slice(0, 40).join("") || card.id, source: `thumbnails/${card.id}` });
  toForm();
}

/**
 * Makes something of a picture without a call, and looks at it.
 * @param {import("../types.js").Card} card
 * @param {object} wish
 */
function make(card, wish) {
  const work = post(`api/pictures/${card.id}/make`, wish).then(async (made) => {
    say([t("madeFree"), ...made.notes].join("; "));
    looked.value = await get(`api/pictures/${made.sha256}`);
  });
  tried(work);
}

/** The same words on this picture: a variation of it. @param {import("../types.js").Card} card */
function vary(card) {
  useAsInput(card);
  change({ prompt: past.peek()?.prompt ?? card.prompt, inputs: form.peek().inputs.slice(-1) });
}

function toForm() {
  looked.value = null;
  tab.value = "make";
  queueMicrotask(() => document.getElementById("prompt")?.focus());
}

export function Detail() {
  const card = looked.value;
  if (!card) return null;
  return html`<${Modal}
    kind="detail"
    label=${card.prompt.slice(0, 80)}
    onClose=${() => (looked.value = null)}
    onKeyDown=${(/** @type {KeyboardEvent} */ event) => {
      if (event.target instanceof HTMLElement && event.target.matches("input, select")) return;
      if (event.key === "s" && card.picture && !event.ctrlKey && !event.metaKey) star([card.id], !card.is_starred);
      if (event.key === "ArrowRight") turn(1);
      if (event.key === "ArrowLeft") turn(-1);
    }}
  >
    <div class="stage">
      ${card.picture && !gone.value.has(card.id)
        ? html`<img
            key=${card.id}
            src=${`pictures/${card.id}`}
            alt=${card.prompt.slice(0, 200)}
            onError=${() => (gone.value = new Set([...gone.peek(), card.id]))}
          />`
        : html`<p class="no-picture">${card.picture ? t("fileGone") : (card.error_code ?? card.status)}</p>`}
      <button class="turn back" aria-label=${t("previous")} onClick=${() => turn(-1)}>‹</button>
      <button class="turn on" aria-label=${t("next")} onClick=${() => turn(1)}>›</button>
    </div>
    <div class="side">
      <p class="prompt" dir="auto">${past.value?.id === card.request ? past.value.prompt : card.prompt}</p>
      ${card.picture && html`<${Marks} card=${card} />`}
      <${Facts} card=${card} />
      <${Actions} card=${card} />
    </div>
  </${Modal}>`;
}

/** @param {{ card: import("../types.js").Card }} props */
function Facts({ card }) {
  const known = past.value?.id === card.request ? past.value : null;
  const { picture } = card;
  /** @type {[string, unknown][]} */
  const rows = [
    [t("time"), when(card.started_at)],
    [t("method"), card.method],
    [t("model"), card.model],
    [t("asked"), known && (Object.entries(known.fields).map(([name, value]) => `${name} ${value}`).join(", ") || "–")],
    [t("came"), picture && `${picture.format}, ${picture.width ?? "?"} × ${picture.height ?? "?"}, ${weight(picture.bytes)}`],
    [t("cost"), `${costInWords(card)}${card.sandbox ? ` (${t("sandbox")})` : ""}`],
    [t("estimate"), known?.estimate_usd && `${money(known.estimate_usd.low)} – ${money(known.estimate_usd.high)}`],
    [t("billed"), card.billed === "maybe" ? t("maybeBilled") : card.billed],
    [t("error"), known?.error && `${known.error.code}: ${known.error.message}`],
    [t("inputs"), known?.inputs.length ? known.inputs.map((/** @type {any} */ file) => file.filename).join(", ") : null],
  ];
  return html`<dl>
    ${rows.filter(([, value]) => value).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}
  </dl>`;
}

/** @param {{ card: import("../types.js").Card }} props */
function Actions({ card }) {
  const { request } = card;
  const others = chosen.value.filter((id) => id !== card.id);
  return html`<div class="actions">
    ${request !== null && html`<button onClick=${() => reuse(request).then(toForm)}>${t("reuse")}</button>`}
    ${card.picture &&
    html`
      <button onClick=${() => useAsInput(card)}>${t("useAsInput")}</button>
      ${request !== null && html`<button onClick=${() => vary(card)}>${t("vary")}</button>`}
      <button onClick=${() => (dialog.value = "versions")}>${t("versions")}</button>
      <button onClick=${() => make(card, { what: "cutout" })}>${t("cutOut")}</button>
      <form
        class="row exact"
        onSubmit=${(/** @type {any} */ event) => {
          event.preventDefault();
          const { size, fit } = event.target.elements;
          make(card, { what: "exact", size: size.value, fit: fit.value });
        }}
      >
        <input name="size" required pattern="[0-9]+x[0-9]+" placeholder="1200x630" aria-label=${t("exact")} />
        <select name="fit" aria-label=${t("fit")}>
          ${["crop", "pad", "stretch"].map((fit) => html`<option value=${fit}>${fit}</option>`)}
        </select>
        <button>${t("bringToSize")}</button>
      </form>
      ${others.length > 0 &&
      html`<button
        onClick=${() => {
          chosen.value = [/** @type {string} */ (others.at(-1)), card.id];
          looked.value = null;
          dialog.value = "compare";
        }}
      >
        ${t("compare")}
      </button>`}
      <button onClick=${() => tried(get(`api/pictures/${card.id}/file`).then((found) => copy(found.path)))}>${t("copyPath")}</button>
      <a class="button" href=${`pictures/${card.id}`} download=${`${card.id}.${card.picture.format}`}>${t("download")}</a>
      <button onClick=${() => tried(post(`api/pictures/${card.id}/open-folder`, {}))}>${t("openFolder")}</button>
    `}
    ${request !== null &&
    html`
      <button onClick=${() => tried(copy(past.peek()?.prompt ?? card.prompt))}>${t("copyPrompt")}</button>
      <button onClick=${() => tried(get(`api/requests/${request}`).then((found) => copy(found.as_command)))}>${t("copyCommand")}</button>
      <button onClick=${() => forget(card)}>${t("forget")}</button>
    `}
    ${card.picture && html`<button class="danger" onClick=${() => remove(card)}>${t("deleteFile")}</button>`}
  </div>`;
}
