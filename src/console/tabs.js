import { find } from "./dom.js";

/** The tabs (ARIA Authoring Practices, "Tabs"): arrows move among them, one of them is in the order of Tab. */
export function tabs() {
  const all = [...document.querySelectorAll('[role="tab"]')].filter(
    (tab) => tab instanceof HTMLButtonElement,
  );

  /** @param {HTMLButtonElement} chosen */
  function choose(chosen) {
    for (const tab of all) {
      tab.ariaSelected = String(tab === chosen);
      tab.tabIndex = tab === chosen ? 0 : -1;
      find(tab.getAttribute("aria-controls") ?? "", HTMLElement).hidden = tab !== chosen;
    }
  }

  for (const [i, tab] of all.entries()) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", ({ key }) => {
      /** @type {Record<string, number>} */
      const targets = { ArrowRight: i + 1, ArrowLeft: i - 1 + all.length, Home: 0, End: all.length - 1 };
      const target = targets[key];
      const next = target === undefined ? undefined : all[target % all.length];
      if (next === undefined) return;
      choose(next);
      next.focus();
    });
  }

  return {
    /** @param {string} id of the panel */
    open(id) {
      const tab = all.find((one) => one.getAttribute("aria-controls") === id);
      if (tab !== undefined) choose(tab);
    },
  };
}
