import { createCopyButton, createElement, getElement } from "./dom.js";
import { formatCount, formatPrice } from "./format.js";

/** @import { Announce, Column, Model, TableOptions } from "./types.d.ts" */

/** @type {readonly (readonly [Column, string, string?])[]} */
const COLUMNS = [
  ["name", "Name"],
  ["id", "ID"],
  ["owner", "Owner"],
  ["context", "Context", "number"],
  ["output", "Output", "number"],
  ["promptPrice", "In / M", "number"],
  ["completionPrice", "Out / M", "number"],
  ["abilities", "Can do"],
  ["included", "Subscription"],
];
// Columns whose first click sorts in descending order.
const DESCENDING_FIRST = new Set(["context", "output", "abilities"]);
const ROWS_PER_STEP = 1000;
const TEXT_MAX_LENGTH = 300;

/**
 * Creates the table of models. A row element is created when first shown and reused while its list is shown.
 * @param {TableOptions} options
 */
export function createTable({ onSort, onTry, announce }) {
  const [body, moreButton] = [getElement("rows", HTMLElement), getElement("more", HTMLButtonElement)];
  const sortMenu = getElement("sort", HTMLSelectElement);
  /** @type {Map<Column, HTMLElement>} */
  const headers = new Map();
  /** @type {{ column: Column, isDescending: boolean }} */
  let order = { column: "name", isDescending: false };
  /** @type {WeakMap<Model, HTMLElement>} */
  let rows = new WeakMap();
  /** @type {readonly Model[]} */
  let shown = [];
  let limit = ROWS_PER_STEP;

  for (const [column, label, className = ""] of COLUMNS) {
    const button = createElement("button", "", label, createElement("span", "arrow"));
    button.type = "button";
    button.addEventListener("click", () => onSort(column, nextDirection(column)));
    const header = createElement("div", `cell ${column} ${className}`, button);
    header.role = "columnheader";
    headers.set(column, header);
    getElement("columns", HTMLElement).append(header);
    for (const isDescending of [false, true]) {
      const option = createElement("option", "", `${label} ${isDescending ? "↓" : "↑"}`);
      option.value = `${column} ${isDescending}`;
      sortMenu.append(option);
    }
  }
  sortMenu.addEventListener("change", () => {
    const [name, isDescending] = sortMenu.value.split(" ");
    const found = COLUMNS.find(([column]) => column === name);
    if (found !== undefined) onSort(found[0], isDescending === "true");
  });
  moreButton.addEventListener("click", () => {
    limit += ROWS_PER_STEP;
    draw();
  });

  /** @param {Column} column */
  function nextDirection(column) {
    return order.column === column ? !order.isDescending : DESCENDING_FIRST.has(column);
  }

  function draw() {
    body.replaceChildren(...shown.slice(0, limit).map(getRow));
    moreButton.hidden = shown.length <= limit;
    moreButton.textContent = `Show more (${formatCount(shown.length - limit)} left)`;
  }

  /** @param {Model} model */
  function getRow(model) {
    const row = rows.get(model) ?? createRow(model, onTry, announce);
    rows.set(model, row);
    return row;
  }

  return {
    /**
     * @param {readonly Model[]} models
     * @param {Column} column
     * @param {boolean} isDescending
     */
    show(models, column, isDescending) {
      order = { column, isDescending };
      for (const [name, header] of headers) {
        header.ariaSort = "none";
        if (name === column) header.ariaSort = isDescending ? "descending" : "ascending";
      }
      sortMenu.value = `${column} ${isDescending}`;
      limit = ROWS_PER_STEP;
      shown = models;
      getElement("table", HTMLElement).ariaRowCount = String(models.length + 1);
      draw();
    },
    clear() {
      rows = new WeakMap();
      shown = [];
      body.replaceChildren();
    },
  };
}

/**
 * @param {Model} model
 * @param {(model: Model) => void} onTry
 * @param {Announce} announce
 */
function createRow(model, onTry, announce) {
  const name = createElement("button", "name-button", truncate(model.name === "" ? model.id : model.name));
  name.type = "button";
  name.title = "Try this model";
  name.addEventListener("click", () => onTry(model));
  const id = createElement("code", "", truncate(model.id));
  id.title = truncate(model.id);
  const abilities = model.abilities.map((ability) =>
    createElement("span", `can can-${ability.toLowerCase()}`, ability),
  );
  const row = createElement(
    "div",
    "row",
    createCell("name", "", name),
    createCell("id", "", id, createCopyButton(model.id, `Copy the id ${truncate(model.id)}`, announce)),
    createCell("owner", "", truncate(model.owner)),
    createCell("context number", "Context", createNumber(model.context, formatCount)),
    createCell("output number", "Output", createNumber(model.output, formatCount)),
    createCell("promptPrice number", "In / M", createNumber(model.promptPrice, formatPrice)),
    createCell("completionPrice number", "Out / M", createNumber(model.completionPrice, formatPrice)),
    createCell("abilities", "", ...abilities),
    createCell("included", "", createSubscription(model.included)),
  );
  row.role = "row";
  return row;
}

/**
 * @param {string} className
 * @param {string} label shown on narrow screens, which have no column headers
 * @param {...(Node | string)} children
 */
function createCell(className, label, ...children) {
  const cell = createElement("div", `cell ${className}`, ...children);
  cell.role = "cell";
  if (label !== "") cell.dataset["label"] = label;
  return cell;
}

/**
 * @param {number | undefined} value
 * @param {(value: number) => string} format
 */
function createNumber(value, format) {
  const element = createElement(
    "span",
    value === undefined ? "unknown" : "",
    value === undefined ? "–" : format(value),
  );
  element.title = value === undefined ? "NanoGPT does not say" : String(value);
  return element;
}

/** @param {boolean | undefined} included */
function createSubscription(included) {
  if (included === undefined) return createNumber(undefined, String);
  return included ? createElement("span", "in", "Included") : createElement("span", "out", "Not included");
}

/** @param {string} text */
const truncate = (text) => (text.length > TEXT_MAX_LENGTH ? `${text.slice(0, TEXT_MAX_LENGTH)}…` : text);
