// A key entered into the console appears nowhere except in the Authorization header of its requests.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { expect, onTestFinished, test } from "vitest";
import {
  describeWithBrowser,
  enterKey,
  expectText,
  LAUNCH,
  openPage,
  recordPage,
  startServers,
} from "../support/browser.ts";
import { createCanary } from "../support/key-search.ts";
import { ALICE } from "../support/setup.ts";

const PAGE_STATE = `(async () => JSON.stringify([
  document.documentElement.outerHTML,
  [...document.querySelectorAll("input, textarea")].map((field) => field.value),
  location.href, document.title, document.cookie, window.name, history.state, history.length,
  { ...localStorage }, { ...sessionStorage },
  (await indexedDB.databases()), (await caches.keys()),
  Object.keys(window).filter((name) => !/^on/.test(name)).map((name) => typeof window[name] === "string" ? window[name] : name),
  performance.getEntries().map((entry) => entry.name),
]))()`;

describeWithBrowser("a key given to the console", () => {
  test("is in no storage, URL, field, attribute or log, and in no file of the browser profile", async () => {
    const { key, tracesIn } = createCanary();
    const { keylane, nano } = await startServers([{ key }]);
    const profile = await mkdtemp(join(tmpdir(), "keylane-profile-"));
    const context = await chromium.launchPersistentContext(profile, LAUNCH);
    onTestFinished(async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    });
    const opened = await recordPage(context, await context.newPage(), keylane.url);
    await enterKey(opened, key);
    const { page } = opened;
    await expectText(opened, "#facts", /Fresh for\s+\d+ s more/);
    await page.click("#ask-again");
    await expectText(opened, "#verdict-label", "Hit");
    await page.locator("#rows .name-button").first().click();
    await page.click("#chat-send");
    await expectText(opened, "#chat-facts", /\d tokens/);
    expect(nano.seen.every(({ headers }) => headers["authorization"] === `Bearer ${key}`)).toBe(true);

    const found = await page.evaluate<string>(PAGE_STATE);
    expect(found.length).toBeGreaterThan(100_000);
    expect(tracesIn(found)).toEqual([]);
    expect(tracesIn(opened.requestedUrls.join("\n"))).toEqual([]);
    expect(tracesIn((await keylane.log()).join("\n"))).toEqual([]);
    expect(opened.consoleMessages).toEqual([]);
    expect(
      new Set(opened.requestedUrls.map((url) => new URL(url).protocol === "data:" || url.startsWith(keylane.url))),
    ).toEqual(new Set([true]));

    await context.close();
    let files = 0;
    for (const file of await readdir(profile, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      files++;
      const bytes = await readFile(join(file.parentPath, file.name));
      expect(bytes.includes(key), file.name).toBe(false);
      expect(bytes.includes(Buffer.from(key, "utf16le")), file.name).toBe(false);
      // A browser may store request headers together with a cached response, so the response must not be cached.
      expect(bytes.includes(`${keylane.url}/detailed/v1/models`), file.name).toBe(false);
    }
    expect(files).toBeGreaterThan(10);
  }, 60_000);

  test("is gone after a reload and after Change key", async () => {
    const { key, tracesIn } = createCanary();
    const { keylane } = await startServers([{ key }]);
    const context = await (await chromium.launch(LAUNCH)).newContext();
    onTestFinished(() => context.browser()?.close());
    const opened = await recordPage(context, await context.newPage(), keylane.url);
    await opened.page.fill("#key", key);
    await opened.page.reload();
    expect(await opened.page.inputValue("#key")).toBe("");
    await enterKey(opened, key);
    expect(await opened.page.getAttribute("#key", "type")).toBe("password");
    await opened.page.click("#drop-key");
    expect(tracesIn(await opened.page.evaluate<string>(PAGE_STATE))).toEqual([]);
    await opened.page.click("#tab-try");
    await opened.page.fill("#chat-model", "a/b");
    await opened.page.click("#chat-send");
    await expectText(opened, "#chat-notice", /A key is needed/);
  });

  test("works when the page URL contains a password, which the page shows nowhere", async () => {
    const { keylane } = await startServers();
    const opened = await openPage(keylane.url.replace("://", "://ada:lovelace@"));
    await enterKey(opened, ALICE);
    await expectText(opened, "#count", "2 models");
    expect(await opened.page.evaluate("document.body.textContent")).not.toMatch(/lovelace/);
  });
});
