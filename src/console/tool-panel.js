import { createCopyButton, createElement, getElement } from "./dom.js";
import { BASE_URLS, tools } from "./snippets.js";

/** @import { Announce } from "./types.d.ts" */

/**
 * Creates the panel with instructions for each tool and the base URLs.
 * @param {string} baseUrl
 * @param {Announce} announce
 */
export function createToolPanel(baseUrl, announce) {
  const [nav, body] = [getElement("tools", HTMLElement), getElement("tool-body", HTMLElement)];
  let selected = 0;
  /** @type {string | undefined} */
  let model;

  const buttons = tools(baseUrl).map(({ name }, i) => {
    const button = createElement("button", "", name);
    button.type = "button";
    button.addEventListener("click", () => {
      selected = i;
      draw();
    });
    nav.append(button);
    return button;
  });

  function draw() {
    const tool = tools(baseUrl, model)[selected];
    if (tool === undefined) return;
    for (const [i, button] of buttons.entries()) button.ariaCurrent = String(i === selected);
    getElement("tool-name", HTMLElement).textContent = tool.name;
    getElement("tool-note", HTMLElement).textContent = tool.where;
    body.replaceChildren();
    if (tool.code !== undefined) body.append(createSnippet(tool.code, `Copy the snippet for ${tool.name}`, announce));
    for (const [label, value] of tool.fields ?? []) body.append(createField(label, value, announce));
  }
  draw();

  const rows = BASE_URLS.map(([path, meaning]) => createField(meaning, baseUrl + path, announce));
  getElement("bases", HTMLElement).append(...rows);

  return {
    /**
     * Sets the model id of the snippets; undefined restores the default one.
     * @param {string | undefined} id
     */
    setModel(id) {
      model = id;
      draw();
    },
  };
}

/**
 * @param {string} code
 * @param {string} label
 * @param {Announce} announce
 */
function createSnippet(code, label, announce) {
  const text = createElement("pre", "", createElement("code", "", code));
  text.tabIndex = 0;
  text.role = "region";
  text.ariaLabel = "Snippet";
  return createElement("div", "snippet", text, createCopyButton(code, label, announce));
}

/**
 * @param {string} label
 * @param {string} value
 * @param {Announce} announce
 */
function createField(label, value, announce) {
  const copy = createCopyButton(value, `Copy: ${value}`, announce);
  return createElement("div", "line", createElement("span", "", label), createElement("code", "", value), copy);
}
