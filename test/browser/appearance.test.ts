import { createServer, request } from "node:http";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createRequire } from "node:module";
import { expect, onTestFinished, test } from "vitest";
import {
  behind,
  describeWithBrowser,
  enter,
  keepPicture,
  open,
  says,
  type Opened,
} from "../support/browser.ts";
import { bundledCatalogue } from "../support/nanogpt/catalogue.ts";
import { ALICE } from "../support/setup.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const LOOKS = [
  { width: 1440, scheme: "light" },
  { width: 1440, scheme: "dark" },
  { width: 390, scheme: "light" },
  { width: 390, scheme: "dark" },
] as const;

/** What axe-core has against the page. */
async function findings({ page }: Opened): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate<string[]>(`axe.run().then(({ violations }) =>
    violations.map(({ id, impact, nodes }) => impact + " " + id + ": " + nodes[0].html.slice(0, 200)))`);
}

describeWithBrowser("the console", () => {
  test.for(LOOKS)("is sound to axe-core and fits its window: $width, $scheme", async (looks) => {
    // Enough to fill a window; axe-core looks at each row, out of sight or not.
    const visible = bundledCatalogue()
      .slice(80, 105)
      .map(({ id }) => id);
    const { keylane, nano } = await behind([{ key: ALICE, visible }]);
    const opened = await open(keylane.url, looks);
    const { page } = opened;
    const looked: Record<string, string[]> = {};
    const isWhole = async (name: string) => {
      await keepPicture(opened, `${looks.width}-${looks.scheme}-${name}`);
      looked[name] = await findings(opened);
      const overflow = "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth";
      if ((await page.evaluate<number>(overflow)) > 0) looked[name].push("is wider than the window");
    };
    await isWhole("welcome");
    await enter(opened, ALICE);
    await says(opened, "#facts", /Fresh for\s+\d+ s more/);
    await isWhole("models");
    await page.click("#tab-use");
    await isWhole("use");
    await page.locator("#tools button", { hasText: "Cline" }).click();
    await isWhole("use-fields");
    await page.click("#tab-try");
    await page.fill("#chat-model", "openai/gpt-4-turbo");
    await page.click("#chat-send");
    await says(opened, "#chat-facts", /tokens\/s/);
    await isWhole("try");
    await page.click("#tab-past");
    await isWhole("past");
    await page.click("#tab-models");
    await keylane.advance(400_000);
    await nano.pause();
    await page.click("#ask-again");
    await says(opened, "#trouble", /did not answer well/);
    await isWhole("down");
    expect(Object.entries(looked).filter(([, found]) => found.length > 0)).toEqual([]);
    expect(opened.complaints).toEqual([]);
  });

  test("is used with the keyboard alone", async () => {
    const { keylane } = await behind([{ key: ALICE }]);
    const opened = await open(keylane.url);
    const { page } = opened;
    const focused = () =>
      page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()");
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

  test("works behind a path of a proxy, and puts that path into what it gives to paste", async () => {
    const { keylane } = await behind();
    const proxy = createServer((incoming, outgoing) => {
      const path = incoming.url?.replace("/tools/lane", "") ?? "";
      const up = request(
        keylane.url + path,
        { method: incoming.method, headers: incoming.headers },
        (answer) => {
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(outgoing);
        },
      );
      incoming.pipe(up);
    }).listen(0, "127.0.0.1");
    await once(proxy, "listening");
    onTestFinished(() => {
      proxy.close();
      proxy.closeAllConnections();
    });
    const base = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/tools/lane`;
    const opened = await open(`${base}/`);
    await enter(opened, ALICE);
    await says(opened, "#count", "2 models");
    await opened.page.click("#tab-use");
    await says(opened, "#tool-body pre", new RegExp(`baseURL: "${base}/v1"`));
    const bases = await opened.page.locator("#bases code").allInnerTexts();
    expect(bases.length).toBeGreaterThan(4);
    for (const url of bases) {
      expect(url.startsWith(`${base}/`)).toBe(true);
      const answer = await fetch(`${url}/models`, { headers: { authorization: `Bearer ${ALICE}` } });
      expect(`${url} ${answer.status} ${answer.headers.has("cache-status")}`).toBe(`${url} 200 true`);
    }
  });
});
