// The tree of versions of a picture: any of them can be looked at, compared, or gone on from.
import { get } from "../api.js";
import { when } from "../format.js";
import { t } from "../i18n.js";
import { Modal } from "../modal.js";
import { chosen, dialog, looked } from "../store.js";
import { say } from "../toasts.js";
import { Component, html, signal } from "../view.js";

/** @typedef {{ sha256: string, id: string, moment: string, prompt: string, method: string, parents: string[] }} Version */
const versions = signal(/** @type {Version[]} */ ([]));

/** @extends {Component<{ card: import("../types.js").Card }>} */
export class Versions extends Component {
  componentDidMount() {
    versions.value = [];
    get(`api/pictures/${this.props.card.id}/versions`).then(
      (found) => (versions.value = found.versions),
      (error) => say(error.message, true),
    );
  }

  render() {
    const all = versions.value;
    const roots = all.filter((version) => !version.parents.length);
    return html`<${Modal} kind="versions" label=${t("versions")} onClose=${() => (dialog.value = "")}>
      <h2>${t("versions")}</h2>
      <${Branch} here=${roots} all=${all} card=${this.props.card} />
    </${Modal}>`;
  }
}

/**
 * A picture stands below the nearest that it was made from; the others are named by how it was made.
 * @param {{ here: Version[], all: Version[], card: import("../types.js").Card }} props
 */
function Branch({ here, all, card }) {
  if (!here.length) return null;
  return html`<ul>
    ${here.map(
      (version) => html`<li key=${version.sha256}>
        <${One} version=${version} card=${card} />
        <${Branch} here=${all.filter((each) => each.parents[0] === version.sha256)} all=${all} card=${card} />
      </li>`,
    )}
  </ul>`;
}

/** @param {{ version: Version, card: import("../types.js").Card }} props */
function One({ version, card }) {
  const isInput = version.id.startsWith("in-");
  const isHere = version.sha256 === card.picture?.sha256;
  const words = html`<img src=${isInput ? `inputs/${version.id}` : `thumbnails/${version.id}`} alt="" />
    <span>
      <span class="words" dir="auto">${isInput ? t("anInput") : version.prompt}</span>
      <span class="facts">${version.method || (isInput ? "" : t("asSent"))} ${version.moment && when(version.moment)}</span>
    </span>`;
  if (isInput) return html`<div class="version">${words}</div>`;
  return html`<div class="row">
    <button class="version" aria-current=${isHere ? "true" : undefined} onClick=${() => goTo(version)}>${words}</button>
    ${!isHere &&
    html`<button
      onClick=${() => {
        chosen.value = [version.id, card.id];
        looked.value = null;
        dialog.value = "compare";
      }}
    >
      ${t("compareTitle")}
    </button>`}
  </div>`;
}

/** @param {Version} version */
async function goTo(version) {
  looked.value = await get(`api/pictures/${version.id}`);
  dialog.value = "";
}
