// Puts the page together.
import { Compare, compareChosen } from "./compare/compare-view.js";
import { Versions } from "./compare/versions-view.js";
import { Detail } from "./gallery/detail-view.js";
import { Gallery } from "./gallery/gallery-view.js";
import { language, speak, t } from "./i18n.js";
import { isDragged, startInputs } from "./inputs.js";
import { Help, startKeys } from "./keys.js";
import { start } from "./gallery/loading.js";
import { Ceiling, Make } from "./make-view.js";
import { MarkupEditor } from "./painting/markup-editor.js";
import { MaskEditor } from "./painting/mask-editor.js";
import { startMaking } from "./making.js";
import { Queue } from "./queue-view.js";
import { Approval } from "./overview/approval-view.js";
import { Settings, Spending } from "./overview/overview-view.js";
import { Search } from "./gallery/search-view.js";
import { approvals, connection, dialog, looked, running, studio, tab } from "./store.js";
import { Toasts } from "./toasts.js";
import { Part, html, mount } from "./view.js";

function App() {
  return html`
    <${Head} />
    <${Notices} />
    <main class=${`tab-${tab.value}`}>
      <${Part} class="make-side" view=${MakeSide} />
      <div class="gallery-side"><${Part} class="searching" view=${Search} /><${Gallery} /></div>
    </main>
    <${Detail} />
    ${dialog.value === "help" && html`<${Help} />`}
    ${dialog.value === "spending" && html`<${Spending} />`}
    ${dialog.value === "settings" && html`<${Settings} />`}
    ${dialog.value === "compare" && html`<${Compare} />`}
    ${dialog.value === "versions" && looked.value && html`<${Versions} card=${looked.value} />`}
    ${dialog.value === "mask" && html`<${MaskEditor} />`}
    ${dialog.value === "markup" && html`<${MarkupEditor} />`}
    ${isDragged.value && html`<div class="drop-here">${t("dropHere")}</div>`}
    <${Toasts} />
  `;
}

function MakeSide() {
  return html`<${Make} /><${Queue} /><${Ceiling} />`;
}

function Head() {
  const other = language.value === "en" ? "zh" : "en";
  return html`<header>
    <h1>Studio</h1>
    <nav aria-label=${t("views")}>
      ${/** @type {const} */ (["make", "gallery"]).map(
        (name) => html`<button aria-pressed=${tab.value === name} onClick=${() => (tab.value = name)}>
          ${t(name)}${name === "make" && running.value.length ? ` (${running.value.length})` : ""}
        </button>`,
      )}
    </nav>
    <p class="where" title=${studio.value?.output_dir}>${studio.value?.base_url}</p>
    <button class="quiet" onClick=${() => (dialog.value = "spending")}>${t("spending")}</button>
    <button class="quiet" onClick=${() => (dialog.value = "settings")}>${t("settings")}</button>
    <button class="quiet" lang=${other === "zh" ? "zh-Hans" : "en"} onClick=${() => speak(other)}>
      ${other === "zh" ? "中文" : "English"}
    </button>
    <button class="quiet" aria-label=${t("help")} onClick=${() => (dialog.value = "help")}>?</button>
  </header>`;
}

function Notices() {
  const known = studio.value;
  return html`<div class="notices" role="status">
    ${connection.value === "gone" && html`<p class="problem">${t("gone")}</p>`}
    ${connection.value === "away" && known && html`<p class="warning">${t("away")}</p>`}
    ${known?.problem && html`<p class="problem">${known.problem}</p>`}
    ${approvals.value.map((question) => html`<${Approval} key=${question.id} question=${question} />`)}
    ${known && !known.history && html`<p class="warning">${t("noHistory")}</p>`}
  </div>`;
}

speak(language.value);
startMaking();
startInputs();
startKeys(compareChosen);
mount(App, /** @type {Element} */ (document.getElementById("app")));
start();
