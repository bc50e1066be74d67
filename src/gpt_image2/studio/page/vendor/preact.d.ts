export type ComponentChildren = unknown;
export interface VNode {
  type: unknown;
}
export type Ref<T> = { current: T | null };
export class Component<P = {}> {
  props: P & { children?: ComponentChildren };
  base: HTMLElement | null;
  constructor(props?: P);
  componentDidMount(): void;
  componentDidUpdate(): void;
  componentWillUnmount(): void;
  render(): unknown;
}
export function h(type: any, props: Record<string, any> | null, ...children: any[]): VNode;
export function render(node: unknown, into: Element): void;
export function createRef<T = HTMLElement>(): Ref<T>;
