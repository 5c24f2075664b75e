import { getElement } from "./dom.js";

/** Connects the tabs (ARIA Authoring Practices, "Tabs"): arrow keys move between them, Tab reaches only the selected one. */
export function createTabs() {
  const tabs = [...document.querySelectorAll('[role="tab"]')].filter((tab) => tab instanceof HTMLButtonElement);

  /** @param {HTMLButtonElement} selected */
  function select(selected) {
    for (const tab of tabs) {
      tab.ariaSelected = String(tab === selected);
      tab.tabIndex = tab === selected ? 0 : -1;
      getElement(tab.getAttribute("aria-controls") ?? "", HTMLElement).hidden = tab !== selected;
    }
  }

  for (const [i, tab] of tabs.entries()) {
    tab.addEventListener("click", () => select(tab));
    tab.addEventListener("keydown", ({ key }) => {
      /** @type {Record<string, number>} */
      const targets = { ArrowRight: i + 1, ArrowLeft: i - 1 + tabs.length, Home: 0, End: tabs.length - 1 };
      const target = targets[key];
      const next = target === undefined ? undefined : tabs[target % tabs.length];
      if (next === undefined) return;
      select(next);
      next.focus();
    });
  }

  return {
    /** @param {string} panelId */
    open(panelId) {
      const tab = tabs.find((candidate) => candidate.getAttribute("aria-controls") === panelId);
      if (tab !== undefined) select(tab);
    },
  };
}
