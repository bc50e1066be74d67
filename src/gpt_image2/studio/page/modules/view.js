// The one view layer: HTML in tagged templates, drawn anew whenever a signal that it has read changes.
import { Component, createRef, h, render } from "../vendor/preact.js";
import htm from "../vendor/htm.js";
import { batch, computed, effect, signal } from "../vendor/signals-core.js";

export const html = htm.bind(h);
export { Component, batch, computed, createRef, effect, signal };

/**
 * Draws a view into an element, now and after every change of what it has read.
 * @param {() => unknown} view
 * @param {Element} into
 */
export function mount(view, into) {
  effect(() => render(html`<${view} />`, into));
}

/**
 * A part of the page that stays for ever and is drawn by itself: what it has read draws nothing else anew.
 * @extends {Component<{ view: () => unknown, class: string }>}
 */
export class Part extends Component {
  frame = createRef();

  componentDidMount() {
    if (this.frame.current) mount(this.props.view, this.frame.current);
  }

  shouldComponentUpdate() {
    return false;
  }

  render() {
    return html`<div class=${this.props.class} ref=${this.frame}></div>`;
  }
}
