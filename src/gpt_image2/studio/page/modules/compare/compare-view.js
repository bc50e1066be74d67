// Two pictures over each other: a slider between them, blinking, or what differs.
import { t } from "../i18n.js";
import { Modal } from "../modal.js";
import { chosen, dialog } from "../store.js";
import { say } from "../toasts.js";
import { Component, html, signal } from "../view.js";

const BLINK_MS = 600;
const MODES = /** @type {const} */ (["slider", "blink", "difference"]);

const mode = signal(/** @type {typeof MODES[number]} */ ("slider"));
const place = signal(50);
const isFirst = signal(true);

/** Opens the comparison of the two chosen pictures. */
export function compareChosen() {
  if (chosen.peek().length === 2) dialog.value = "compare";
  else say(t("chooseTwo"), true);
}

export class Compare extends Component {
  timer = 0;

  componentDidMount() {
    this.timer = window.setInterval(() => {
      if (mode.peek() === "blink") isFirst.value = !isFirst.peek();
    }, BLINK_MS);
  }

  componentWillUnmount() {
    clearInterval(this.timer);
  }

  render() {
    const [one, two] = chosen.value;
    const now = mode.value;
    const over = now === "slider" ? { clipPath: `inset(0 0 0 ${place.value}%)` } : {};
    const isOver = now !== "blink" || !isFirst.value;
    return html`<${Modal} kind="compare" label=${t("compareTitle")} onClose=${() => (dialog.value = "")}>
      <div class="tools" role="toolbar" aria-label=${t("compareTitle")}>
        ${MODES.map(
          (name) => html`<button aria-pressed=${now === name} onClick=${() => (mode.value = name)}>
            ${t(`compare_${name}`)}
          </button>`,
        )}
        <button onClick=${() => (chosen.value = [...chosen.peek()].reverse())}>${t("swap")}</button>
      </div>
      <div class=${`pair ${now}`}>
        <img src=${`pictures/${one}`} alt=${t("firstPicture")} />
        ${isOver && html`<img src=${`pictures/${two}`} alt=${t("secondPicture")} style=${over} />`}
        ${now === "slider" && html`<span class="edge" style=${{ left: `${place.value}%` }}></span>`}
      </div>
      <input
        type="range"
        class=${now === "slider" ? "" : "unused"}
        min="0"
        max="100"
        step="0.5"
        aria-label=${t("compare_slider")}
        value=${place.value}
        onInput=${(/** @type {any} */ event) => (place.value = Number(event.target.value))}
      />
    </${Modal}>`;
  }
}
