import { find } from "./dom.js";
import { EVERYTHING } from "./selection.js";

/** @import { Column, Selection } from "./types.d.ts" */

/**
 * Search and filters above the table. `onChange` is called whenever another selection is made.
 * @param {() => void} onChange
 */
export function filters(onChange) {
  const [search, price] = [find("search", HTMLInputElement), find("price", HTMLSelectElement)];
  const [subscription, clear] = [find("subscription", HTMLSelectElement), find("clear", HTMLButtonElement)];
  const boxes = [...document.querySelectorAll('[name="ability"]')].filter(
    (box) => box instanceof HTMLInputElement,
  );
  /** @type {Selection} */
  let selection = EVERYTHING;

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
