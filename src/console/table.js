import { copyButton, find, make } from "./dom.js";
import { counted, price } from "./format.js";

/** @import { Column, Model, Say, TableOptions } from "./types.d.ts" */

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
// Columns that are first of interest from their high end.
const DOWNWARD = new Set(["context", "output", "abilities"]);
const MORE_ROWS = 1000;
const SHOWN_MAX_LENGTH = 300;

/**
 * The table of models. A row is made when first shown, and kept as long as its list.
 * @param {TableOptions} options
 */
export function table({ onSort, onTry, say }) {
  const [body, more] = [find("rows", HTMLElement), find("more", HTMLButtonElement)];
  const sortMenu = find("sort", HTMLSelectElement);
  /** @type {Map<Column, HTMLElement>} */
  const heads = new Map();
  /** @type {{ column: Column, isDescending: boolean }} */
  let sorted = { column: "name", isDescending: false };
  /** @type {WeakMap<Model, HTMLElement>} */
  let rows = new WeakMap();
  /** @type {readonly Model[]} */
  let shown = [];
  let limit = MORE_ROWS;

  for (const [column, word, kind = ""] of COLUMNS) {
    const button = make("button", "", word, make("span", "arrow"));
    button.type = "button";
    button.addEventListener("click", () => onSort(column, nextDirection(column)));
    const head = make("div", `cell ${column} ${kind}`, button);
    head.role = "columnheader";
    heads.set(column, head);
    find("columns", HTMLElement).append(head);
    for (const isDescending of [false, true]) {
      const option = make("option", "", `${word} ${isDescending ? "↓" : "↑"}`);
      option.value = `${column} ${isDescending}`;
      sortMenu.append(option);
    }
  }
  sortMenu.addEventListener("change", () => {
    const [name, isDescending] = sortMenu.value.split(" ");
    const found = COLUMNS.find(([column]) => column === name);
    if (found !== undefined) onSort(found[0], isDescending === "true");
  });
  more.addEventListener("click", () => {
    limit += MORE_ROWS;
    draw();
  });

  /** @param {Column} column */
  function nextDirection(column) {
    return sorted.column === column ? !sorted.isDescending : DOWNWARD.has(column);
  }

  function draw() {
    body.replaceChildren(...shown.slice(0, limit).map(rowFor));
    more.hidden = shown.length <= limit;
    more.textContent = `Show more (${counted(shown.length - limit)} left)`;
  }

  /** @param {Model} model */
  function rowFor(model) {
    const held = rows.get(model);
    if (held !== undefined) return held;
    const made = rowOf(model, onTry, say);
    rows.set(model, made);
    return made;
  }

  return {
    /**
     * @param {readonly Model[]} models
     * @param {Column} column
     * @param {boolean} isDescending
     */
    show(models, column, isDescending) {
      sorted = { column, isDescending };
      for (const [name, head] of heads) {
        head.ariaSort = "none";
        if (name === column) head.ariaSort = isDescending ? "descending" : "ascending";
      }
      sortMenu.value = `${column} ${isDescending}`;
      limit = MORE_ROWS;
      shown = models;
      find("table", HTMLElement).ariaRowCount = String(models.length + 1);
      draw();
    },
    forget() {
      rows = new WeakMap();
      shown = [];
      body.replaceChildren();
    },
  };
}

/**
 * @param {Model} model
 * @param {(model: Model) => void} onTry
 * @param {Say} say
 */
function rowOf(model, onTry, say) {
  const name = make("button", "name-button", clipped(model.name === "" ? model.id : model.name));
  name.type = "button";
  name.title = "Try this model";
  name.addEventListener("click", () => onTry(model));
  const id = make("code", "", clipped(model.id));
  id.title = clipped(model.id);
  const abilities = model.abilities.map((ability) =>
    make("span", `can can-${ability.toLowerCase()}`, ability),
  );
  const row = make(
    "div",
    "row",
    cell("name", "", name),
    cell("id", "", id, copyButton(model.id, `Copy the id ${clipped(model.id)}`, say)),
    cell("owner", "", clipped(model.owner)),
    cell("context number", "Context", figure(model.context, counted)),
    cell("output number", "Output", figure(model.output, counted)),
    cell("promptPrice number", "In / M", figure(model.promptPrice, price)),
    cell("completionPrice number", "Out / M", figure(model.completionPrice, price)),
    cell("abilities", "", ...abilities),
    cell("included", "", inclusion(model.included)),
  );
  row.role = "row";
  return row;
}

/**
 * @param {string} className
 * @param {string} label shown where there is no line of columns above, on a phone
 * @param {...(Node | string)} children
 */
function cell(className, label, ...children) {
  const made = make("div", `cell ${className}`, ...children);
  made.role = "cell";
  if (label !== "") made.dataset["label"] = label;
  return made;
}

/**
 * @param {number | undefined} value
 * @param {(value: number) => string} write
 */
function figure(value, write) {
  const made = make("span", value === undefined ? "unknown" : "", value === undefined ? "–" : write(value));
  if (value !== undefined) made.title = String(value);
  else made.title = "NanoGPT does not say";
  return made;
}

/** @param {boolean | undefined} included */
function inclusion(included) {
  if (included === undefined) return figure(undefined, String);
  return included ? make("span", "in", "Included") : make("span", "out", "Not included");
}

/** @param {string} text */
const clipped = (text) => (text.length > SHOWN_MAX_LENGTH ? `${text.slice(0, SHOWN_MAX_LENGTH)}…` : text);
