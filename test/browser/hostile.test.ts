// A hostile upstream cannot make the console run, load or render anything but text.
import { expect, test } from "vitest";
import { describeWithBrowser, enterKey, expectText, openPage, startServers } from "../support/browser.ts";
import { ALICE } from "../support/setup.ts";
import type { DetailedModel } from "../support/nanogpt/nanogpt.ts";

const MARKUP = [
  "<img src=x onerror=window.hit=1>",
  "<script>window.hit=1</script>",
  '"><svg onload=window.hit=1>',
  "javascript:window.hit=1//",
  "</code></div><iframe srcdoc='<script>parent.hit=1</script>'>",
  "{{constructor.constructor('window.hit=1')()}}",
  "${window.hit=1}",
  "&lt;b&gt;&#60;b&#62;",
  "\u202Egnp.exe \u0001 \u2028",
  "__proto__",
];

const HOSTILE: DetailedModel[] = MARKUP.map((text) => ({
  id: text,
  object: "model",
  created: 1,
  owned_by: text,
  name: text,
  description: text,
  capabilities: { vision: text, reasoning: null, tool_calling: true },
  pricing: { prompt: text, completion: null, unit: "per_million_tokens" },
  context_length: text,
  icon_url: "https://elsewhere.invalid/x.png",
  subscription: null,
}));
const MALFORMED = [
  { id: "huge/" + "x".repeat(50_000), name: "y".repeat(50_000), description: "z".repeat(200_000) },
  {
    id: "null/all",
    name: null,
    owned_by: null,
    pricing: null,
    capabilities: null,
    architecture: null,
    context_length: null,
  },
  {
    id: "wrong/kinds",
    name: 7,
    owned_by: {},
    pricing: [],
    capabilities: "all",
    architecture: 1,
    context_length: "4096",
    max_output_tokens: -1,
  },
  { id: "tiny/price", pricing: { prompt: 0.000_000_1, completion: 1e300, unit: "per_million_tokens" } },
  { id: "other/unit", pricing: { prompt: 3, completion: 4, unit: "per_image" } },
  { id: "" },
].map((row) => Object.assign({ object: "model", created: 1, owned_by: "o" }, row)) as unknown as DetailedModel[];

describeWithBrowser("the list of a hostile upstream", () => {
  test("is shown as text: nothing in it runs, loads or becomes markup", async () => {
    const { keylane } = await startServers([{ key: ALICE }], [...HOSTILE, ...MALFORMED]);
    const opened = await openPage(keylane.url);
    const { page } = opened;
    await enterKey(opened, ALICE);
    await expectText(opened, "#count", /^\d+ models$/);
    const shown = await page.locator("#rows .id code").allTextContents();
    for (const text of MARKUP) expect(shown).toContain(text);
    const tags = await page.evaluate<string[]>(
      "[...new Set([...document.querySelectorAll('#rows *, #tool-body *, #chat-models *')].map((element) => element.localName))]",
    );
    expect(tags.sort()).toEqual(["button", "code", "div", "option", "pre", "span"]);
    await page.evaluate("document.querySelectorAll('#rows .name-button').forEach((button) => button.click())");
    for (const tab of ["use", "try", "past", "models"]) await page.click(`#tab-${tab}`);
    expect(await page.evaluate("typeof window.hit")).toBe("undefined");
    expect(
      opened.requestedUrls.filter((url) => !url.startsWith(keylane.url) && !url.startsWith("data:image/svg")),
    ).toEqual([]);
    expect(opened.consoleMessages).toEqual([]);

    const price = (id: string, column: string) =>
      page.locator("#rows .row", { hasText: id }).locator(`.${column}`).textContent();
    expect(await price("tiny/price", "promptPrice")).toBe("$0.0000001");
    expect(await price("other/unit", "promptPrice")).toBe("–");
    expect(await price("null/all", "completionPrice")).toBe("–");
    expect(await price("wrong/kinds", "context")).toBe("4,096");
    expect(await price("wrong/kinds", "output")).toBe("–");
    await page.click("#tab-models");
    const heights = "[...document.querySelectorAll('#rows .row')].map((row) => row.offsetHeight)";
    expect(Math.max(...(await page.evaluate<number[]>(heights)))).toBeLessThan(120);
  });

  test("of 20,000 rows is shown in steps of 1000", async () => {
    const many = Array.from({ length: 20_000 }, (_, i) => ({
      id: `m/${i}`,
      object: "model",
      created: 1,
      owned_by: "m",
    }));
    const { keylane } = await startServers([{ key: ALICE }], many);
    const opened = await openPage(keylane.url);
    await enterKey(opened, ALICE);
    await expectText(opened, "#count", "20,000 models");
    expect(await opened.page.locator("#rows .row").count()).toBe(1000);
    await opened.page.click("#more");
    expect(await opened.page.locator("#rows .row").count()).toBe(2000);
  });

  test("cannot become markup even if the page has a bug: the content security policy forbids it", async () => {
    const { keylane } = await startServers();
    const { page } = await openPage(keylane.url);
    await expect(page.evaluate("document.body.innerHTML = '<b>x</b>'")).rejects.toThrow(/TrustedHTML/);
    const blocked = `fetch("https://elsewhere.invalid/").then(() => "sent", () => "blocked")`;
    expect(await page.evaluate(blocked)).toBe("blocked");
    expect(
      await page.evaluate(`new Promise((resolve) => {
      document.addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective));
      document.body.append(Object.assign(document.createElement("iframe"), { src: "/" }));
    })`),
    ).toBe("frame-src");
  });
});
