// The console shows a key's own list and searches, filters, sorts and copies from it.
import { expect, test } from "vitest";
import {
  describeWithBrowser,
  enterKey,
  expectText,
  type OpenedPage,
  openPage,
  startServers,
} from "../support/browser.ts";
import { ALICE, BOB } from "../support/setup.ts";

const ALL = [{ key: ALICE }];
const ids = ({ page }: OpenedPage) => page.locator("#rows .id code").allTextContents();
const isSorted = (texts: string[]) => {
  const { compare } = new Intl.Collator("en", { numeric: true });
  return texts.every((text, i) => i === 0 || compare(texts[i - 1] ?? "", text) <= 0);
};

describeWithBrowser("the console's list", () => {
  test("is that of the entered key, with names, limits, prices and abilities", async () => {
    const { keylane } = await startServers();
    const opened = await openPage(keylane.url);
    await enterKey(opened, ALICE);
    await expectText(opened, "#count", "2 models");
    const row = opened.page.locator("#rows .row", { hasText: "openai/gpt-4-turbo" });
    const cells = await row.locator("[role=cell]").allInnerTexts();
    expect(cells.map((text) => text.replaceAll(/\s+/g, " "))).toEqual([
      "GPT-4 Turbo",
      "openai/gpt-4-turbo Copy",
      "openai",
      "128,000",
      "4,096",
      "$10.00",
      "$30.00",
      "Vision",
      "–",
    ]);
    await opened.page.click("#drop-key");
    expect(await ids(opened)).toEqual([]);
    await enterKey(opened, BOB);
    expect(await ids(opened)).toEqual(["NousResearch/hermes-4-70b"]);
    expect(opened.consoleMessages).toEqual([]);
  });

  test("shows 643 models and lays out only the visible rows", async () => {
    const { keylane, nano } = await startServers(ALL);
    const opened = await openPage(keylane.url);
    await enterKey(opened, ALICE);
    await expectText(opened, "#count", "643 models");
    expect((await ids(opened)).sort()).toEqual(nano.models.map(({ id }) => id).sort());
    const rows = opened.page.locator("#rows .row");
    expect(
      await rows.first().evaluate("getComputedStyle(document.querySelector('#rows .row')).contentVisibility"),
    ).toBe("auto");
    await opened.page.keyboard.press("End");
    await rows.last().waitFor({ state: "visible" });
  });

  test("is searched during typing, filtered and counted", async () => {
    const { keylane, nano } = await startServers(ALL);
    const opened = await openPage(keylane.url);
    await enterKey(opened, ALICE);
    const { page } = opened;
    await page.fill("#search", "HERMES 405b");
    const found = nano.models.filter((model) => /hermes.*405b/i.test(`${String(model["name"])} ${model.id}`));
    expect(found.length).toBeGreaterThan(0);
    await expectText(opened, "#count", `${found.length} of 643 models`);
    expect((await ids(opened)).sort()).toEqual(found.map(({ id }) => id).sort());
    await page.fill("#search", "");

    await page.locator("[value=Tools]").check({ force: true });
    const withTools = nano.models.filter((model) => hasAbility(model, "tool_calling"));
    await expectText(opened, "#count", `${withTools.length} of 643 models`);
    await page.selectOption("#subscription", "included");
    const included = withTools.filter(({ subscription }) => subscription?.included === true);
    await expectText(opened, "#count", `${included.length} of 643 models`);
    await page.selectOption("#price", "0.25");
    const cheap = included.filter((model) => prices(model).every((price) => price <= 0.25));
    await expectText(opened, "#count", `${cheap.length} of 643 models`);
    expect(new Set([withTools.length, included.length, cheap.length, 643]).size).toBe(4);
    await page.fill("#search", "no such model at all");
    await expectText(opened, "#none", /No model/);
    await page.click("#clear");
    await expectText(opened, "#count", "643 models");
  });

  test("is sorted by each column in both directions, with aria-sort", async () => {
    const { keylane } = await startServers(ALL);
    const opened = await openPage(keylane.url);
    await enterKey(opened, ALICE);
    const { page } = opened;
    expect(isSorted(await page.locator("#rows .cell.name").allTextContents())).toBe(true);
    for (const column of ["id", "owner"]) {
      await page.click(`.head .${column} button`);
      expect(await page.getAttribute(`.head .${column}`, "aria-sort")).toBe("ascending");
      const selector = column === "id" ? ".id code" : ".owner";
      expect(isSorted(await page.locator(`#rows ${selector}`).allTextContents())).toBe(true);
      await page.click(`.head .${column} button`);
      expect(await page.getAttribute(`.head .${column}`, "aria-sort")).toBe("descending");
      expect(isSorted((await page.locator(`#rows ${selector}`).allTextContents()).toReversed())).toBe(true);
    }
    for (const column of ["context", "output", "promptPrice", "completionPrice"]) {
      await page.click(`.head .${column} button`);
      const direction = await page.getAttribute(`.head .${column}`, "aria-sort");
      const titles = await page.evaluate<string[]>(
        `[...document.querySelectorAll("#rows .${column} span")].map((span) => span.title)`,
      );
      const numbers = titles.map(Number).filter((number) => !Number.isNaN(number));
      const sign = direction === "descending" ? -1 : 1;
      expect(numbers.length).toBeGreaterThan(600);
      expect(numbers.every((number, i) => i === 0 || sign * (number - (numbers[i - 1] ?? 0)) >= 0)).toBe(true);
    }
    expect(await page.locator("[aria-sort=ascending], [aria-sort=descending]").count()).toBe(1);
  });

  test("copies an id to the clipboard with one click", async () => {
    const { keylane } = await startServers();
    const opened = await openPage(keylane.url);
    await opened.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await enterKey(opened, BOB);
    await opened.page.locator("#rows .copy").first().click();
    await expectText(opened, "#rows .copy", "Copied");
    expect(await opened.page.evaluate("navigator.clipboard.readText()")).toBe("NousResearch/hermes-4-70b");
  });
});

function hasAbility(model: Record<string, unknown>, flag: string): boolean {
  return (model["capabilities"] as Record<string, unknown> | undefined)?.[flag] === true;
}

function prices(model: Record<string, unknown>): number[] {
  const { prompt, completion } = (model["pricing"] ?? {}) as { prompt?: number; completion?: number };
  return [prompt ?? Infinity, completion ?? Infinity];
}
