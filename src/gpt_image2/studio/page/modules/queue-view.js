// The calls of this visit: what waits, what is under way with its previews, and how it ended.
import { get, post } from "./api.js";
import { duration, money, priceInWords } from "./format.js";
import { t } from "./i18n.js";
import { cancel, change, dismiss, send } from "./making.js";
import { calls, looked, now } from "./store.js";
import { say } from "./toasts.js";
import { Component, html, signal } from "./view.js";

/** Looks at a picture of a call. @param {string} sha256 */
async function lookAt(sha256) {
  try {
    looked.value = await get(`api/pictures/${sha256}`);
  } catch {
    say(t("notInGallery"), true);
  }
}

export function Queue() {
  const all = [...calls.value.values()].reverse();
  if (!all.length) return null;
  return html`<section class="queue" aria-label=${t("queue")}>
    <h2>${t("queue")}</h2>
    <ul>
      ${all.map((call) => html`<${One} key=${call.id} call=${call} />`)}
    </ul>
  </section>`;
}

/** @param {{ call: import("./types.js").Call }} props */
function One({ call }) {
  const isUnsent = call.state === "unsent";
  const hasEnded = !isUnsent && call.state !== "queued" && call.state !== "running";
  const since = call.sent_at_s ? now.value - call.sent_at_s : 0;
  const cost = call.cost_usd === null ? "" : money(call.cost_usd);
  return html`<li class=${`call ${call.state}`} data-call=${call.id}>
    <${Seen} call=${call} />
    <div class="what">
      <p class="words" dir="auto">${String(call.fields.prompt)}</p>
      ${isUnsent && html`<${Unsent} call=${call} />`}
      ${call.state === "queued" && html`<p>${t("queued")}</p>`}
      ${call.state === "running" &&
      html`<p>
          ${t("underWay", { time: duration(since), typical: duration(call.typical_s ?? 0) })}
          ${call.attempt > 1 && ` · ${t("attempt", { attempt: call.attempt })}`}
        </p>
        <progress aria-label=${t("progress")} max=${call.typical_s ?? 1} value=${Math.min(since, (call.typical_s ?? 1) * 0.97)}></progress>`}
      ${call.state === "done" && html`<p>${t("done", { time: duration(call.elapsed_s ?? 0) })} · ${cost || t("costUnknown")}</p>`}
      ${call.state === "cancelled" && html`<p>${t("cancelled")}</p>`}
      ${call.error && call.state === "failed" && html`<p class="problem">${call.error.message}. ${call.error.hint}</p>`}
      ${hasEnded && call.billed === "maybe" && html`<p class="maybe" role="alert">${t("maybeBilled")}</p>`}
      ${hasEnded && call.billed === "no" && html`<p>${t("notBilled")}</p>`}
      ${call.warnings.map((warning) => html`<p class="warning">${warning}</p>`)}
      <div class="row">
        ${!hasEnded && !isUnsent && html`<button onClick=${() => cancel(call.id)}>${t("cancel")}</button>`}
        ${call.state === "failed" &&
        call.billed === "no" &&
        html`<button onClick=${() => change({ prompt: String(call.fields.prompt) })}>${t("backToForm")}</button>`}
        ${(hasEnded || isUnsent) && html`<button class="quiet" onClick=${() => dismiss(call.id)}>${t("dismiss")}</button>`}
      </div>
    </div>
  </li>`;
}

/**
 * What an earlier studio was ended before it could send: it waits for a click, which has its price on it.
 * @extends {Component<{ call: import("./types.js").Call }>}
 */
class Unsent extends Component {
  price = signal(/** @type {import("./types.js").Price | null} */ (null));
  problem = signal("");

  componentDidMount() {
    const { fields, inputs, names, mask, markup, wishes } = this.props.call;
    post("api/price", { fields, inputs, names, mask, markup, wishes }).then(
      (found) => (this.price.value = found),
      (error) => (this.problem.value = `${error.message} ${error.hint}`.trim()),
    );
  }

  render() {
    const words = priceInWords(this.price.value);
    return html`<p>${t("unsent")}</p>
      ${this.problem.value && html`<p class="problem">${this.problem.value}</p>`}
      <div class="row">
        <button disabled=${!this.price.value} onClick=${() => send(this.props.call.id)}>${t("send")} ${words}</button>
      </div>`;
  }
}

/** @param {{ call: import("./types.js").Call }} props */
function Seen({ call }) {
  const preview = call.previews ? `api/calls/${call.id}/previews/${call.previews - 1}` : "";
  const [image] = call.images;
  if (image && call.state !== "running") {
    return html`<button class="seen" aria-label=${t("look")} onClick=${() => lookAt(image.sha256)}>
      <img src=${`thumbnails/${image.sha256}`} alt="" />
    </button>`;
  }
  return html`<div class="seen">
    ${preview ? html`<img class="preview" src=${preview} alt=${t("preview")} />` : html`<span aria-hidden="true">…</span>`}
  </div>`;
}
