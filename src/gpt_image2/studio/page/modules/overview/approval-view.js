// A call of an agent that waits for a yes.
import { post } from "../api.js";
import { money } from "../format.js";
import { t } from "../i18n.js";
import { approvals } from "../store.js";
import { say } from "../toasts.js";
import { html } from "../view.js";

/**
 * @param {string} id
 * @param {boolean} yes
 */
function answer(id, yes) {
  approvals.value = approvals.peek().filter((question) => question.id !== id);
  post(`api/approvals/${id}`, { yes }).catch((error) => say(error.message, true));
}

/** @param {{ question: import("../types.js").Question }} props */
export function Approval({ question }) {
  const cost = question.high_usd === null ? t("priceUnknown") : money(question.high_usd);
  return html`<div class="approval" role="alert">
    <p>
      <strong>${t("mayItSpend", { asker: question.asker, cost })}</strong> ${question.model}: <span dir="auto">${question.prompt}</span>
    </p>
    <div class="row">
      <button onClick=${() => answer(question.id, true)}>${t("approve", { cost })}</button>
      <button onClick=${() => answer(question.id, false)}>${t("refuse")}</button>
    </div>
  </div>`;
}
