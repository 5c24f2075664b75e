/** @import { Column, Model, Selection } from "./types.d.ts" */

/** @type {Readonly<Selection>} */
export const EVERYTHING = {
  search: "",
  abilities: [],
  subscription: "any",
  maxPrice: undefined,
  column: "name",
  isDescending: false,
};

/**
 * Chooses the models that fit, in order. What has no value in the sorted column comes last, up or down.
 * @param {readonly Model[]} models
 * @param {Selection} selection
 * @returns {Model[]}
 */
export function selected(models, selection) {
  const words = selection.search.toLowerCase().split(/\s+/).filter(Boolean);
  const fitting = models.filter((model) => isFitting(model, selection) && hasWords(model, words));
  const direction = selection.isDescending ? -1 : 1;
  return fitting.sort((one, other) => {
    const [a, b] = [keyOf(one, selection.column), keyOf(other, selection.column)];
    if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
    return direction * compared(a, b);
  });
}

/**
 * @param {Model} model
 * @param {Selection} selection
 */
function isFitting(model, { abilities, subscription, maxPrice }) {
  if (!abilities.every((ability) => model.abilities.includes(ability))) return false;
  if (subscription !== "any" && (model.included === true) !== (subscription === "included")) return false;
  if (maxPrice === undefined) return true;
  // A price that nobody knows is not a low one.
  const prices = [model.promptPrice, model.completionPrice];
  return prices.every((price) => price !== undefined && price <= maxPrice);
}

/**
 * @param {Model} model
 * @param {readonly string[]} words
 */
function hasWords({ sought }, words) {
  return words.every((word) => sought.includes(word));
}

/**
 * @param {Model} model
 * @param {Column} column
 * @returns {string | number | undefined}
 */
function keyOf(model, column) {
  const value = model[column];
  if (typeof value === "boolean") return value ? 0 : 1;
  if (Array.isArray(value)) return value.length;
  if (column === "name") return model.name === "" ? model.id : model.name;
  return value === "" || typeof value === "object" ? undefined : value;
}

const collator = new Intl.Collator("en", { numeric: true });

/**
 * @param {string | number} a
 * @param {string | number} b
 */
function compared(a, b) {
  return typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a), String(b));
}
