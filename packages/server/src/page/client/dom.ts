/** The few helpers that the page is made with. */

/** An element of the page that is there from the start. */
export const byId = <E extends HTMLElement>(id: string, type: new () => E): E => {
  const found = document.getElementById(id)
  if (!(found instanceof type)) throw new Error(`the page has no #${id}`)
  return found
}

/** A part of an element that was made with it. */
export const part = <E extends Element>(of: ParentNode, selector: string, type: new () => E): E => {
  const found = of.querySelector(selector)
  if (!(found instanceof type)) throw new Error(`no ${selector} in the element`)
  return found
}

/** A new element. Text is always text: nothing is read as HTML. */
export const make = <Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: { readonly [name: string]: string } = {},
  ...children: ReadonlyArray<Node | string>
): HTMLElementTagNameMap[Tag] => {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  element.append(...children)
  return element
}

/** One of the shapes that are drawn in the page. */
export const shape = (name: string): SVGSVGElement => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  svg.setAttribute("class", "shape")
  svg.setAttribute("aria-hidden", "true")
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use")
  use.setAttribute("href", `#shape-${name}`)
  svg.append(use)
  return svg
}

/** Leaves the text alone where it is the same, and with it the selection. */
export const setText = (element: Element, text: string): void => {
  if (element.textContent !== text) element.textContent = text
}

/** Lists that have no marks are no lists to some screen readers, unless it is said. */
export const asList = (element: HTMLElement): HTMLElement => {
  element.setAttribute("role", "list")
  return element
}
