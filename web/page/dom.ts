// Elements, made and found.

type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;
type Child = Node | string | undefined;

/** An element with attributes (true: present, undefined and false: absent) and children; text is text, never markup. */
export function h<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/** An element that the page has from the start. */
export function byId<Type extends HTMLElement = HTMLElement>(id: string): Type {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element "${id}".`);
  return found as Type;
}

/** Told to whoever cannot see that something changed. */
export function announce(text: string): void {
  byId("live").textContent = text;
}

/** A long name that may break between its words. */
export function breakable(name: string): DocumentFragment {
  const fragment = document.createDocumentFragment();
  for (const part of name.split(/(?<=[._/])(?=\w)/)) {
    if (fragment.childNodes.length) fragment.append(document.createElement("wbr"));
    fragment.append(part);
  }
  return fragment;
}

/** A number stays beside its unit. */
export const unbroken = (text: string) => text.replace(/(?<=\d) (?=%|MB|B\b)/g, "\u00a0");
