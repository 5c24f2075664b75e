import { copyButton, find, make } from "./dom.js";
import { BASES, tools } from "./snippets.js";

/** @import { Say } from "./types.d.ts" */

/**
 * What to paste where, for each tool; and the base URLs to choose from.
 * @param {string} base
 * @param {Say} say
 */
export function toolPanel(base, say) {
  const [nav, body] = [find("tools", HTMLElement), find("tool-body", HTMLElement)];
  let chosen = 0;
  /** @type {string | undefined} */
  let model;

  const buttons = tools(base).map(({ name }, i) => {
    const button = make("button", "", name);
    button.type = "button";
    button.addEventListener("click", () => {
      chosen = i;
      draw();
    });
    nav.append(button);
    return button;
  });

  function draw() {
    const tool = tools(base, model)[chosen];
    if (tool === undefined) return;
    for (const [i, button] of buttons.entries()) button.ariaCurrent = String(i === chosen);
    find("tool-name", HTMLElement).textContent = tool.name;
    find("tool-note", HTMLElement).textContent = tool.where;
    body.replaceChildren();
    if (tool.code !== undefined) body.append(snippet(tool.code, `Copy the snippet for ${tool.name}`, say));
    for (const [label, value] of tool.fields ?? []) body.append(line(label, value, say));
  }
  draw();

  const rows = BASES.map(([path, meaning]) => line(meaning, base + path, say));
  find("bases", HTMLElement).append(...rows);

  return {
    /**
     * Puts a model of the caller's own into the snippets.
     * @param {string | undefined} id
     */
    use(id) {
      model = id;
      draw();
    },
  };
}

/**
 * @param {string} code
 * @param {string} label
 * @param {Say} say
 */
function snippet(code, label, say) {
  const text = make("pre", "", make("code", "", code));
  text.tabIndex = 0;
  text.role = "region";
  text.ariaLabel = "Snippet";
  return make("div", "snippet", text, copyButton(code, label, say));
}

/**
 * @param {string} label
 * @param {string} value
 * @param {Say} say
 */
function line(label, value, say) {
  const copy = copyButton(value, `Copy: ${value}`, say);
  return make("div", "line", make("span", "", label), make("code", "", value), copy);
}
