// What was spent, which settings are in force, and what `doctor` finds.
import { get, post } from "../api.js";
import { money } from "../format.js";
import { t } from "../i18n.js";
import { Modal } from "../modal.js";
import { dialog } from "../store.js";
import { say } from "../toasts.js";
import { Component, html, signal } from "../view.js";

/** @typedef {{ name: string, requests: number, images: number, cost_usd: number, unknown_cost: number, maybe_billed: number }} Sum */
const spending = signal(/** @type {any} */ (null));
const settings = signal(/** @type {any} */ (null));
const checks = signal(/** @type {{ name: string, status: string, detail: string, cure: string }[] | null} */ (null));
const isChecking = signal(false);

/** @param {Error} error */
const told = (error) => say(error.message, true);

export class Spending extends Component {
  componentDidMount() {
    get("api/spending").then((found) => (spending.value = found), told);
  }

  render() {
    const found = spending.value;
    const spans = found && [
      [t("today"), found.today],
      [t("thisMonth"), found.month],
      [t("inAll"), found.total],
      [t("sandbox"), found.sandbox],
    ];
    const named = (/** @type {Sum[]} */ sums) => sums.map((one) => [one.name, one]);
    return html`<${Modal} kind="overview" label=${t("spending")} onClose=${() => (dialog.value = "")}>
      <h2>${t("spending")}</h2>
      ${found &&
      html`<${Sums} title=${t("time")} rows=${spans} />
        <${Sums} title=${t("model")} rows=${named(found.models)} />
        <${Sums} title=${t("day")} rows=${named(found.days).reverse()} />`}
      <p class="note">${t("sandboxIsFree")}</p>
    </${Modal}>`;
  }
}

/** @param {{ title: string, rows: [string, Sum][] }} props */
function Sums({ title, rows }) {
  if (!rows.length) return null;
  return html`<table>
    <thead>
      <tr>
        <th scope="col">${title}</th>
        <th scope="col">${t("requests")}</th>
        <th scope="col">${t("images")}</th>
        <th scope="col">${t("cost")}</th>
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        ([name, sum]) => html`<tr>
          <th scope="row">${name}</th>
          <td>${sum.requests}</td>
          <td>${sum.images}</td>
          <td>
            ${money(sum.cost_usd)}${sum.unknown_cost ? ` + ${t("sumUnknown", { count: sum.unknown_cost })}` : ""}
            ${sum.maybe_billed ? ` + ${t("sumMaybe", { count: sum.maybe_billed })}` : ""}
          </td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}

export class Settings extends Component {
  componentDidMount() {
    checks.value = null;
    get("api/settings").then((found) => (settings.value = found), told);
  }

  async check() {
    isChecking.value = true;
    try {
      checks.value = (await post("api/doctor", {})).checks;
    } catch (error) {
      told(/** @type {Error} */ (error));
    } finally {
      isChecking.value = false;
    }
  }

  render() {
    const found = settings.value;
    return html`<${Modal} kind="overview" label=${t("settings")} onClose=${() => (dialog.value = "")}>
      <h2>${t("settings")}</h2>
      <p class="note">${t("settingsNote")} ${found?.config}</p>
      ${found &&
      html`<table>
        <tbody>
          ${found.settings.map(
            (/** @type {{ name: string, value: string, source: string }} */ one) => html`<tr>
              <th scope="row">${one.name}</th>
              <td>${one.value}</td>
              <td class="note">${one.source}</td>
            </tr>`,
          )}
        </tbody>
      </table>`}
      ${found?.warnings.map((/** @type {string} */ warning) => html`<p class="warning">${warning}</p>`)}
      <button disabled=${isChecking.value} onClick=${() => this.check()}>${t("runDoctor")}</button>
      ${checks.value &&
      html`<table class="checks">
        <tbody>
          ${checks.value.map(
            (check) => html`<tr class=${check.status}>
              <th scope="row">${check.status} ${check.name}</th>
              <td>${check.detail} ${check.cure && html`<br />→ ${check.cure}`}</td>
            </tr>`,
          )}
        </tbody>
      </table>`}
    </${Modal}>`;
  }
}
