// Loads the gallery as it is scrolled, and hears what happens in the studio.
import { get } from "../api.js";
import { batch, effect } from "../view.js";
import { approvals, budget, calls, choices, connection, filters, gallery, now, running, studio } from "../store.js";

export const PAGE = 100;
const CLOCK_MS = 500;

let generation = 0;
/** Pages that are being loaded or are there, in this generation. @type {Set<number>} */
const asked = new Set();
/** The places that are seen now. */
let seen = { from: 0, to: PAGE };

/** Begins everything. */
export async function start() {
  listen();
  setInterval(() => {
    if (running.value.length) now.value = Date.now() / 1000;
  }, CLOCK_MS);
  effect(() => {
    filters.value;
    reload(true);
  });
  try {
    studio.value = await get("api/state");
  } catch {
    connection.value = "gone";
  }
}

/**
 * Sees to it that the cards from one place to another are there.
 * @param {number} from
 * @param {number} to
 */
export function need(from, to) {
  seen = { from, to };
  for (let page = Math.floor(from / PAGE); page * PAGE < to; page++) {
    if (!asked.has(page)) load(page, generation);
  }
}

/** @param {boolean} isOther whether it is another gallery: then nothing of the old one may be seen */
function reload(isOther) {
  generation++;
  asked.clear();
  if (isOther) seen = { from: 0, to: PAGE };
  load(0, generation, isOther);
  need(seen.from, seen.to);
}

/**
 * @param {number} page
 * @param {number} of the generation that it belongs to
 * @param {boolean} [isOther]
 */
async function load(page, of, isOther = false) {
  asked.add(page);
  const query = new URLSearchParams({ ...filters.peek(), offset: String(page * PAGE), limit: String(PAGE) });
  let found;
  try {
    found = await get(`api/pictures?${query}`);
  } catch {
    if (of === generation) asked.delete(page);
    return;
  }
  if (of !== generation) return;
  batch(() => {
    const old = isOther ? [] : gallery.peek().cards;
    const cards = old.slice(0, found.total);
    cards.length = found.total;
    found.cards.forEach((/** @type {import("../types.js").Card} */ card, /** @type {number} */ at) => {
      cards[page * PAGE + at] = card;
    });
    const { total, requests, cost_usd, maybe_billed } = found;
    gallery.value = { cards, total, requests, cost_usd, maybe_billed, isLoaded: true };
    if (found.choices) choices.value = found.choices;
  });
}

function listen() {
  const source = new EventSource("api/events");
  source.onopen = () => (connection.value = "here");
  source.onerror = () => (connection.value = source.readyState === EventSource.CLOSED ? "gone" : "away");
  source.onmessage = (message) => heard(JSON.parse(message.data));
}

/** @param {any} event */
function heard(event) {
  batch(() => {
    now.value = Date.now() / 1000;
    if (event.budget) budget.value = event.budget;
    if (event.kind === "calls") {
      calls.value = new Map(event.calls.map((/** @type {import("../types.js").Call} */ call) => [call.id, call]));
      onCalls.forEach((hear) => hear());
      reload(false);
    } else if (event.kind === "call") {
      calls.value = new Map(calls.peek()).set(event.call.id, event.call);
    } else if (event.kind === "approvals") {
      approvals.value = event.approvals;
    } else if (event.kind === "ledger") {
      reload(false);
    }
  });
}

/** Told whenever all calls have come anew. @type {(() => void)[]} */
export const onCalls = [];
