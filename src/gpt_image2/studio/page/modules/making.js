// The next click: its form, its price while it is typed, and that it is sent once and never a second time.
import { ApiError, post } from "./api.js";
import { t } from "./i18n.js";
import { onCalls } from "./gallery/loading.js";
import { budget, calls, studio } from "./store.js";
import { say } from "./toasts.js";
import { effect, signal } from "./view.js";

const DRAFT = "studio-draft";
const OUTBOX = "studio-outbox";
const PRICE_WAIT_MS = 200;
const TRIES_MS = [0, 500, 1000, 2000];

/** @type {import("./types.js").Form} */
export const EMPTY = {
  prompt: "",
  model: "",
  size: "",
  quality: "",
  n: 1,
  output_format: "",
  background: "",
  partial_images: 0,
  inputs: [],
  mask: null,
  markup: null,
  keep_outside: true,
  exact: "",
  extend: "",
  to: "",
};

/** @type {import("../vendor/signals-core.js").Signal<import("./types.js").Form>} */
export const form = signal({ ...EMPTY, ...JSON.parse(sessionStorage.getItem(DRAFT) ?? "{}") });

/** @type {import("../vendor/signals-core.js").Signal<import("./types.js").Price | null>} */
export const price = signal(null);

/** Why the form cannot be sent. @type {import("../vendor/signals-core.js").Signal<{ message: string, hint: string } | null>} */
export const problem = signal(null);

/** Whether the price that is shown is of an earlier form. */
export const isPricing = signal(false);

/** Whether a click is on its way. */
export const isSending = signal(false);

/** @param {Partial<import("./types.js").Form>} changes */
export function change(changes) {
  const next = { ...form.peek(), ...changes };
  if ("inputs" in changes && !("mask" in changes) && next.inputs[0]?.id !== form.peek().inputs[0]?.id) {
    next.mask = next.markup = null; // they belong to the first input
  }
  form.value = next;
}

/** The model that the next click goes to. */
export function model() {
  const name = form.value.model || studio.value?.model;
  return studio.value?.models.find((each) => each.name === name) ?? null;
}

/** What the form asks for, by the API's names. */
function asked() {
  const { inputs, mask, markup, prompt, n, partial_images, keep_outside, exact, extend, to, ...texts } = form.peek();
  /** @type {Record<string, string | number>} */
  const fields = { prompt };
  for (const [name, value] of Object.entries(texts)) if (value) fields[name] = value;
  if (n > 1) fields.n = n;
  if (partial_images && n === 1) fields.partial_images = partial_images;
  /** @type {Record<string, string | boolean>} */
  const wishes = {};
  if (exact) wishes.exact = exact;
  if (inputs.length && extend) wishes.extend = extend;
  if (inputs.length && to) wishes.to = to;
  const isExtended = "extend" in wishes || "to" in wishes; // it makes its own mask
  const sent = isExtended ? null : (mask?.id ?? null);
  if (sent && keep_outside) wishes.keep_outside = true;
  const names = inputs.map((input) => input.name);
  const ids = inputs.map((input) => input.id);
  return { fields, inputs: ids, names, mask: sent, markup: markup?.id ?? null, wishes };
}

/** Begins to follow the form. */
export function startMaking() {
  effect(() => {
    sessionStorage.setItem(DRAFT, JSON.stringify(form.value));
  });
  /** @type {AbortController | null} */
  let asking = null;
  let waiting = 0;
  effect(() => {
    form.value;
    budget.value;
    studio.value;
    clearTimeout(waiting);
    asking?.abort();
    isPricing.value = true;
    waiting = window.setTimeout(() => {
      asking = new AbortController();
      ask(asking.signal);
    }, PRICE_WAIT_MS);
  });
  onCalls.push(settleOutbox);
}

/** @param {AbortSignal} signal */
async function ask(signal) {
  const wished = asked();
  try {
    const found = await post(
      "api/price",
      { ...wished, fields: { ...wished.fields, prompt: String(wished.fields.prompt).trim() || "-" } },
      { signal },
    );
    price.value = found;
    problem.value = null;
    isPricing.value = false;
  } catch (error) {
    if (!(error instanceof ApiError)) return; // a newer question has taken its place
    price.value = null;
    isPricing.value = false;
    problem.value = error.status === 400 ? { message: error.message, hint: error.hint } : null;
  }
}

/** Whether what the form asks for fits under the ceiling of this visit. */
export function isOverCeiling() {
  const left = budget.value?.left_usd;
  const high = price.value?.estimate_usd?.high;
  return left != null && high != null && high > left + 1e-9;
}

/** Sends what the form asks for, once. */
export async function click() {
  if (isSending.peek() || !form.peek().prompt.trim()) return;
  isSending.value = true;
  const body = { id: crypto.randomUUID(), ...asked() };
  keep(body);
  try {
    const call = await sent(body);
    // What the studio has told of it meanwhile is newer than this answer.
    if (!calls.peek().has(call.id)) calls.value = new Map(calls.peek()).set(call.id, call);
    unkeep(body.id);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status) {
      unkeep(body.id);
      say(`${error.message} ${error.hint}`.trim(), true);
    } else {
      say(t("notSure"), true); // the outbox is looked through when the studio can be heard again
    }
  } finally {
    isSending.value = false;
  }
}

/**
 * The same click is sent again where no answer came: its id tells the studio that it is the same.
 * @param {{ id: string }} body
 */
async function sent(body) {
  for (const wait of TRIES_MS) {
    if (wait) await new Promise((done) => setTimeout(done, wait));
    try {
      return await post("api/calls", body);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status || wait === TRIES_MS.at(-1)) throw error;
    }
  }
}

/** @returns {any[]} clicks of which nobody knows whether they arrived */
function outbox() {
  return JSON.parse(sessionStorage.getItem(OUTBOX) ?? "[]");
}

/** @param {{ id: string }} body */
function keep(body) {
  sessionStorage.setItem(OUTBOX, JSON.stringify([...outbox(), body]));
}

/** @param {string} id */
function unkeep(id) {
  sessionStorage.setItem(OUTBOX, JSON.stringify(outbox().filter((body) => body.id !== id)));
}

/** After a reload: what the studio knows has arrived; what it does not know goes back into the form, unsent. */
function settleOutbox() {
  if (isSending.peek()) return;
  for (const body of outbox()) {
    unkeep(body.id);
    if (calls.peek().has(body.id)) continue;
    if (!form.peek().prompt) change({ prompt: body.fields.prompt });
    say(t("neverArrived"), true);
  }
}

/** Sends what an earlier studio has not sent; a second click on it sends nothing. @param {string} id */
export function send(id) {
  post(`api/calls/${id}/send`, {}).catch((error) => say(`${error.message} ${error.hint}`.trim(), true));
}

/** @param {string} id */
export function cancel(id) {
  post(`api/calls/${id}/cancel`, {}).catch(() => say(t("noAnswer"), true));
}

/** @param {string} id */
export function dismiss(id) {
  const left = new Map(calls.peek());
  left.delete(id);
  calls.value = left;
  post(`api/calls/${id}/dismiss`, {}).catch(() => {});
}

/** @param {number | null} usd */
export function setCeiling(usd) {
  const known = budget.peek();
  if (known) budget.value = { ...known, max_cost_usd: usd };
  post("api/ceiling", { max_cost_usd: usd }).catch((error) => say(error.message, true));
}
