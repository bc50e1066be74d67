// A dialog of the browser's own: it keeps the focus, and Escape closes it.
import { Component, createRef, html } from "./view.js";
import { t } from "./i18n.js";

/** @extends {Component<{ label: string, kind: string, onClose: () => void, onKeyDown?: (event: KeyboardEvent) => void, onKeyUp?: (event: KeyboardEvent) => void }>} */
export class Modal extends Component {
  frame = createRef();
  /** @type {Element | null} */ before = null;

  componentDidMount() {
    this.before = document.activeElement;
    /** @type {HTMLDialogElement} */ (this.frame.current).showModal();
  }

  componentWillUnmount() {
    const { before } = this;
    queueMicrotask(() => before instanceof HTMLElement && before.isConnected && before.focus());
  }

  render() {
    const { label, kind, onClose, onKeyDown, onKeyUp, children } = this.props;
    return html`<dialog
      ref=${this.frame}
      class=${kind}
      aria-label=${label}
      onKeyDown=${onKeyDown}
      onKeyUp=${onKeyUp}
      onCancel=${(/** @type {Event} */ event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <button class="quiet close" aria-label=${t("close")} onClick=${onClose}>×</button>
      ${children}
    </dialog>`;
  }
}
