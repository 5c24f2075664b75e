// The console is accessible, fits wide and narrow windows, and works behind a path of a proxy.
import { createServer, request } from "node:http";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createRequire } from "node:module";
import { expect, onTestFinished, test } from "vitest";
import {
  describeWithBrowser,
  enterKey,
  expectText,
  type OpenedPage,
  openPage,
  saveScreenshot,
  startServers,
} from "../support/browser.ts";
import { bundledCatalogue } from "../support/nanogpt/catalogue.ts";
import { ALICE } from "../support/setup.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const APPEARANCES = [
  { width: 1440, scheme: "light" },
  { width: 1440, scheme: "dark" },
  { width: 390, scheme: "light" },
  { width: 390, scheme: "dark" },
] as const;

/** Accessibility violations found by axe-core. */
async function axeViolations({ page }: OpenedPage): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate<string[]>(`axe.run().then(({ violations }) =>
    violations.map(({ id, impact, nodes }) => impact + " " + id + ": " + nodes[0].html.slice(0, 200)))`);
}

describeWithBrowser("the console", () => {
  test.for(APPEARANCES)("passes axe-core and fits its window: $width, $scheme", async (appearance) => {
    // Few rows, but enough to fill a window: axe-core checks every row, visible or not.
    const visible = bundledCatalogue()
      .slice(80, 105)
      .map(({ id }) => id);
    const { keylane, nano } = await startServers([{ key: ALICE, visible }]);
    const opened = await openPage(keylane.url, appearance);
    const { page } = opened;
    const problems: Record<string, string[]> = {};
    const check = async (name: string) => {
      await saveScreenshot(opened, `${appearance.width}-${appearance.scheme}-${name}`);
      problems[name] = await axeViolations(opened);
      const overflow = "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth";
      if ((await page.evaluate<number>(overflow)) > 0) problems[name].push("is wider than the window");
    };
    await check("welcome");
    await enterKey(opened, ALICE);
    await expectText(opened, "#facts", /Fresh for\s+\d+ s more/);
    await check("models");
    await page.click("#tab-use");
    await check("use");
    await page.locator("#tools button", { hasText: "Cline" }).click();
    await check("use-fields");
    await page.click("#tab-try");
    await page.fill("#chat-model", "openai/gpt-4-turbo");
    await page.click("#chat-send");
    await expectText(opened, "#chat-facts", /tokens\/s/);
    await check("try");
    await page.click("#tab-past");
    await check("past");
    await page.click("#tab-models");
    await keylane.advance(400_000);
    await nano.pause();
    await page.click("#ask-again");
    await expectText(opened, "#notice", /failed to answer/);
    await check("down");
    expect(Object.entries(problems).filter(([, found]) => found.length > 0)).toEqual([]);
    expect(opened.consoleMessages).toEqual([]);
  });

  test("can be used with the keyboard only", async () => {
    const { keylane } = await startServers([{ key: ALICE }]);
    const opened = await openPage(keylane.url);
    const { page } = opened;
    const focused = () => page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()");
    expect(await focused()).toBe("key");
    await page.keyboard.type(ALICE);
    await page.keyboard.press("Enter");
    await page.waitForSelector("#rows .row");
    await page.focus("#tab-models");
    await page.keyboard.press("ArrowRight");
    expect(await focused()).toBe("tab-use");
    expect(await page.isVisible("#use")).toBe(true);
    await page.keyboard.press("End");
    expect(await focused()).toBe("tab-past");
    await page.keyboard.press("ArrowRight");
    expect(await focused()).toBe("tab-models");
    await page.keyboard.press("Tab");
    expect(await focused()).toBe("search");
    await page.focus(".head .id button");
    await page.keyboard.press("Enter");
    expect(await page.getAttribute(".head .id", "aria-sort")).toBe("ascending");
    expect(await focused()).toBe("ID");
  });

  test("works behind a path of a proxy, and its snippets and base URLs contain that path", async () => {
    const { keylane } = await startServers();
    const proxy = createServer((incoming, outgoing) => {
      const path = incoming.url?.replace("/tools/lane", "") ?? "";
      const proxied = request(keylane.url + path, { method: incoming.method, headers: incoming.headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      incoming.pipe(proxied);
    }).listen(0, "127.0.0.1");
    await once(proxy, "listening");
    onTestFinished(() => {
      proxy.close();
      proxy.closeAllConnections();
    });
    const base = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/tools/lane`;
    const opened = await openPage(`${base}/`);
    await enterKey(opened, ALICE);
    await expectText(opened, "#count", "2 models");
    await opened.page.click("#tab-use");
    await expectText(opened, "#tool-body pre", new RegExp(`baseURL: "${base}/v1"`));
    const bases = await opened.page.locator("#bases code").allInnerTexts();
    expect(bases.length).toBeGreaterThan(4);
    for (const url of bases) {
      expect(url.startsWith(`${base}/`)).toBe(true);
      const answer = await fetch(`${url}/models`, { headers: { authorization: `Bearer ${ALICE}` } });
      expect(`${url} ${answer.status} ${answer.headers.has("cache-status")}`).toBe(`${url} 200 true`);
    }
  });
});
