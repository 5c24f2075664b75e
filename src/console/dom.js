/** @import { Say } from "./types.d.ts" */

/**
 * Finds an element of the page by its id.
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function find(id, kind) {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new TypeError(`The page has no such element: ${id}`);
}

/**
 * Makes an element. Text goes in as text and never as markup: most of it is a stranger's.
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {string} [className]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function make(name, className = "", ...children) {
  const element = document.createElement(name);
  if (className !== "") element.className = className;
  element.append(...children);
  return element;
}

/**
 * Makes the pairs of a description list, and leaves out what is not known.
 * @param {readonly (readonly [string, string | undefined, string?])[]} pairs a word, its value, and what a pointer that rests on it is told
 * @returns {HTMLElement[]}
 */
export function factPairs(pairs) {
  return pairs.flatMap(([word, value, more = ""]) => {
    if (value === undefined) return [];
    const pair = make("div", "", make("dt", "", word), make("dd", "", value));
    pair.title = more;
    return [pair];
  });
}

/**
 * Makes a button that copies a text, and says so.
 * @param {string} text
 * @param {string} label for who cannot see where it stands
 * @param {Say} say
 * @returns {HTMLButtonElement}
 */
export function copyButton(text, label, say) {
  const button = make("button", "copy", "Copy");
  button.type = "button";
  button.setAttribute("aria-label", label);
  button.addEventListener("click", () => {
    void copied(text).then((isCopied) => {
      button.textContent = isCopied ? "Copied" : "Not allowed";
      say(isCopied ? "Copied" : "The browser does not let this page copy");
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
  });
  return button;
}

/**
 * @param {string} text
 * @returns {Promise<boolean>}
 */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Over plain HTTP from another machine there is no clipboard but the old one.
    const area = make("textarea", "sr", text);
    const focused = document.activeElement;
    document.body.append(area);
    area.select();
    const isCopied = document.execCommand("copy");
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return isCopied;
  }
}
