// A field whose value counts once it is left or Enter is pressed; until then what is typed stays as it is,
// whatever else is drawn anew.
import { Component, html, signal } from "./view.js";

/** @extends {Component<Record<string, any> & { value: string | number, onDone: (value: string) => void }>} */
export class Typed extends Component {
  draft = signal(/** @type {string | null} */ (null));

  render() {
    const { value, onDone, children: _, ...rest } = this.props;
    return html`<input
      ...${rest}
      value=${this.draft.value ?? value}
      onInput=${(/** @type {any} */ event) => (this.draft.value = event.target.value)}
      onChange=${(/** @type {any} */ event) => {
        const text = event.target.value; // before anything is drawn anew
        this.draft.value = null;
        onDone(text);
      }}
      onBlur=${() => (this.draft.value = null)}
    />`;
  }
}
