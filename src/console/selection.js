/** @import { Column, Model, Selection } from "./types.d.ts" */

/** @type {Readonly<Selection>} */
export const DEFAULT_SELECTION = {
  search: "",
  abilities: [],
  subscription: "any",
  maxPrice: undefined,
  column: "name",
  isDescending: false,
};

/**
 * Filters and sorts models. Models without a value in the sorted column come last in both directions.
 * @param {readonly Model[]} models
 * @param {Selection} selection
 * @returns {Model[]}
 */
export function selectModels(models, selection) {
  const terms = selection.search.toLowerCase().split(/\s+/).filter(Boolean);
  const matching = models.filter((model) => matchesFilters(model, selection) && matchesSearch(model, terms));
  const direction = selection.isDescending ? -1 : 1;
  return matching.sort((one, other) => {
    const [a, b] = [sortValue(one, selection.column), sortValue(other, selection.column)];
    if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
    return direction * compare(a, b);
  });
}

/**
 * @param {Model} model
 * @param {Selection} selection
 */
function matchesFilters(model, { abilities, subscription, maxPrice }) {
  if (!abilities.every((ability) => model.abilities.includes(ability))) return false;
  if (subscription !== "any" && (model.included === true) !== (subscription === "included")) return false;
  if (maxPrice === undefined) return true;
  // An unknown price matches no limit.
  const prices = [model.promptPrice, model.completionPrice];
  return prices.every((price) => price !== undefined && price <= maxPrice);
}

/**
 * @param {Model} model
 * @param {readonly string[]} terms
 */
function matchesSearch({ searchText }, terms) {
  return terms.every((term) => searchText.includes(term));
}

/**
 * @param {Model} model
 * @param {Column} column
 * @returns {string | number | undefined}
 */
function sortValue(model, column) {
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
function compare(a, b) {
  return typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a), String(b));
}
