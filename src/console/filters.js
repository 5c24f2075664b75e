import { getElement } from "./dom.js";
import { DEFAULT_SELECTION } from "./selection.js";

/** @import { Column, Selection } from "./types.d.ts" */

/**
 * Connects the search and the filters above the table. `onChange` is called after each change of the selection.
 * @param {() => void} onChange
 */
export function createFilters(onChange) {
  const [search, price] = [getElement("search", HTMLInputElement), getElement("price", HTMLSelectElement)];
  const [subscription, clear] = [getElement("subscription", HTMLSelectElement), getElement("clear", HTMLButtonElement)];
  const boxes = [...document.querySelectorAll('[name="ability"]')].filter((box) => box instanceof HTMLInputElement);
  /** @type {Selection} */
  let selection = DEFAULT_SELECTION;

  function read() {
    const { value } = subscription;
    selection = {
      ...selection,
      search: search.value,
      abilities: boxes.filter((box) => box.checked).map((box) => box.value),
      subscription: value === "included" || value === "extra" ? value : "any",
      maxPrice: price.value === "" ? undefined : Number(price.value),
    };
    const { abilities, maxPrice } = selection;
    clear.hidden = search.value === "" && abilities.length === 0 && value === "any" && maxPrice === undefined;
    onChange();
  }

  search.addEventListener("input", read);
  for (const field of [price, subscription, ...boxes]) field.addEventListener("change", read);
  clear.addEventListener("click", () => {
    [search.value, price.value, subscription.value] = ["", "", "any"];
    for (const box of boxes) box.checked = false;
    read();
    search.focus();
  });

  return {
    get selection() {
      return selection;
    },
    /**
     * @param {Column} column
     * @param {boolean} isDescending
     */
    sort(column, isDescending) {
      selection = { ...selection, column, isDescending };
      onChange();
    },
  };
}
