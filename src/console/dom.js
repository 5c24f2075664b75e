/** @import { Announce } from "./types.d.ts" */

/**
 * Returns the element with this id.
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function getElement(id, type) {
  const element = document.getElementById(id);
  if (element instanceof type) return element;
  throw new TypeError(`The page has no ${type.name} with this id: ${id}`);
}

/**
 * Creates an element. Text is appended as text, never parsed as markup: most of it comes from NanoGPT.
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {string} [className]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function createElement(name, className = "", ...children) {
  const element = document.createElement(name);
  if (className !== "") element.className = className;
  element.append(...children);
  return element;
}

/**
 * Creates the entries of a description list, without those whose value is undefined.
 * @param {readonly (readonly [string, string | undefined, string?])[]} facts label, value and tooltip
 * @returns {HTMLElement[]}
 */
export function createFacts(facts) {
  return facts.flatMap(([label, value, tooltip = ""]) => {
    if (value === undefined) return [];
    const entry = createElement("div", "", createElement("dt", "", label), createElement("dd", "", value));
    entry.title = tooltip;
    return [entry];
  });
}

/**
 * Creates a button that copies a text and announces it.
 * @param {string} text
 * @param {string} label accessible name: the visible text is only "Copy"
 * @param {Announce} announce
 * @returns {HTMLButtonElement}
 */
export function createCopyButton(text, label, announce) {
  const button = createElement("button", "copy", "Copy");
  button.type = "button";
  button.setAttribute("aria-label", label);
  button.addEventListener("click", () => {
    void copyText(text).then((isCopied) => {
      button.textContent = isCopied ? "Copied" : "Not allowed";
      announce(isCopied ? "Copied" : "The browser does not let this page copy");
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
  });
  return button;
}

/**
 * @param {string} text
 * @returns {Promise<boolean>}
 */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // `navigator.clipboard` needs a secure context: over plain HTTP from another machine only execCommand works.
    const area = createElement("textarea", "sr", text);
    const focused = document.activeElement;
    document.body.append(area);
    area.select();
    const isCopied = document.execCommand("copy");
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return isCopied;
  }
}
