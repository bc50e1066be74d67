// Stars and collections: what the page asks for, and the controls for it. The server keeps them, by the content
// of the pictures; the gallery is loaded anew in every window after each change.
import { ApiError, post } from "../api.js";
import { t } from "../i18n.js";
import { choices, filters, gallery, looked } from "../store.js";
import { say, sayUndoable } from "../toasts.js";
import { batch, html, signal } from "../view.js";

const MOST_NAME = 80;

/** Collections that are hidden while an undo is still possible. */
export const dissolved = signal(/** @type {ReadonlySet<string>} */ (new Set()));

/**
 * @param {string} path
 * @param {object} body
 * @returns {Promise<boolean>} whether it is done
 */
async function done(path, body) {
  try {
    await post(path, body);
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    say(`${error.message} ${error.hint}`.trim(), true);
    return false;
  }
}

/**
 * Shows a change at once: what is looked at may be in the gallery no more when that is loaded anew.
 * @param {readonly string[]} ids
 * @param {(card: import("../types.js").Card) => Partial<import("../types.js").Card>} change
 */
function mark(ids, change) {
  /** @template {import("../types.js").Card | null | undefined} T @param {T} card */
  const changed = (card) => (card && ids.includes(card.id) ? { ...card, ...change(card) } : card);
  batch(() => {
    gallery.value = { ...gallery.peek(), cards: gallery.peek().cards.map(changed) };
    looked.value = changed(looked.peek());
  });
}

/**
 * @param {readonly string[]} ids
 * @param {boolean} is_starred
 */
export async function star(ids, is_starred) {
  if (await done("api/stars", { pictures: ids, is_starred })) mark(ids, () => ({ is_starred }));
}

/**
 * @param {readonly string[]} ids
 * @param {string} name
 * @param {boolean} is_in
 */
export async function collect(ids, name, is_in) {
  if (!(await done("api/collections", { name, pictures: ids, is_in }))) return;
  if (is_in) {
    keep(name);
    say(t("collected", { name }));
  }
  mark(ids, (card) => {
    const others = card.collections.filter((each) => each !== name);
    return { collections: is_in ? [...others, name] : others };
  });
}

/**
 * Gives a collection another name, under which it is looked at further.
 * @param {string} name
 * @param {string} to
 */
export async function rename(name, to) {
  try {
    const renamed = await post("api/collections/rename", { name, to });
    if (filters.peek().collection === name) filters.value = { ...filters.peek(), collection: renamed.name };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    say(`${error.message} ${error.hint}`.trim(), true);
  }
}

/** A collection is not to go after all. @param {string} name */
function keep(name) {
  dissolved.value = new Set([...dissolved.peek()].filter((each) => each !== name));
}

/** Takes a collection away once it cannot be taken back any more. @param {string} name */
export function dissolve(name) {
  const { collection: _, ...rest } = filters.peek();
  filters.value = rest;
  dissolved.value = new Set([...dissolved.peek(), name]);
  const show = () => keep(name);
  const act = () => {
    if (!dissolved.peek().has(name)) return; // it has been put to use again
    post("api/collections/dissolve", { name }, { keepalive: true })
      .catch((error) => say(error.message, true))
      .finally(show);
  };
  sayUndoable(t("dissolved", { name }), act, show);
}

/** A field for the name of a collection. @param {{ ids: readonly string[], place: string }} props */
export function Collect({ ids, place }) {
  return html`<form
    class="row collect"
    onSubmit=${(/** @type {any} */ event) => {
      event.preventDefault();
      const { target } = event;
      const name = target.elements.collection.value.trim();
      if (name) collect(ids, name, true).then(() => target.reset());
    }}
  >
    <input
      name="collection"
      list=${`collections-${place}`}
      required
      maxlength=${MOST_NAME}
      autocomplete="off"
      aria-label=${t("collection")}
      placeholder=${t("collection")}
    />
    <datalist id=${`collections-${place}`}>
      ${(choices.value.collection ?? []).map((name) => html`<option value=${name} />`)}
    </datalist>
    <button>${t("collect")}</button>
  </form>`;
}

/** A field for another name of a collection. @param {{ name: string }} props */
export function Rename({ name }) {
  return html`<form
    class="row collect"
    onSubmit=${(/** @type {any} */ event) => {
      event.preventDefault();
      const to = event.target.elements.to.value.trim();
      if (to && to !== name) rename(name, to);
    }}
  >
    <input name="to" required maxlength=${MOST_NAME} autocomplete="off" dir="auto" aria-label=${t("newName")} placeholder=${t("newName")} />
    <button>${t("rename")}</button>
  </form>`;
}

/** The star and the collections of one picture. @param {{ card: import("../types.js").Card }} props */
export function Marks({ card }) {
  const { is_starred } = card;
  return html`<div class="marks">
    <button aria-pressed=${is_starred} onClick=${() => star([card.id], !is_starred)}>
      <span aria-hidden="true">${is_starred ? "★" : "☆"}</span> ${t("starred")}
    </button>
    ${card.collections.length > 0 &&
    html`<ul class="row" aria-label=${t("collections")}>
      ${card.collections.map(
        (name) => html`<li key=${name}>
          <span dir="auto">${name}</span>
          <button class="quiet" aria-label=${t("takeOut", { name })} onClick=${() => collect([card.id], name, false)}>
            ×
          </button>
        </li>`,
      )}
    </ul>`}
    <${Collect} ids=${[card.id]} place="detail" />
  </div>`;
}
