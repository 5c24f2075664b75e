import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { expect, onTestFinished, test } from "vitest";
import { behind, describeWithBrowser, enter, LAUNCH, open, says, watched } from "../support/browser.ts";
import { canary } from "../support/key-search.ts";
import { ALICE } from "../support/setup.ts";

const IN_THE_PAGE = `(async () => JSON.stringify([
  document.documentElement.outerHTML,
  [...document.querySelectorAll("input, textarea")].map((field) => field.value),
  location.href, document.title, document.cookie, window.name, history.state, history.length,
  { ...localStorage }, { ...sessionStorage },
  (await indexedDB.databases()), (await caches.keys()),
  Object.keys(window).filter((name) => !/^on/.test(name)).map((name) => typeof window[name] === "string" ? window[name] : name),
  performance.getEntries().map((entry) => entry.name),
]))()`;

describeWithBrowser("a key given to the console", () => {
  test("is in no storage, URL, field, attribute or log, and in no file of the browser", async () => {
    const { key, tracesIn } = canary();
    const { keylane, nano } = await behind([{ key }]);
    const profile = await mkdtemp(join(tmpdir(), "keylane-profile-"));
    const context = await chromium.launchPersistentContext(profile, LAUNCH);
    onTestFinished(async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    });
    const opened = await watched(context, await context.newPage(), keylane.url);
    await enter(opened, key);
    const { page } = opened;
    await says(opened, "#facts", /Fresh for\s+\d+ s more/);
    await page.click("#ask-again");
    await says(opened, "#verdict-word", "Hit");
    await page.locator("#rows .name-button").first().click();
    await page.click("#chat-send");
    await says(opened, "#chat-facts", /\d tokens/);
    expect(nano.seen.every(({ headers }) => headers["authorization"] === `Bearer ${key}`)).toBe(true);

    const found = await page.evaluate<string>(IN_THE_PAGE);
    expect(found.length).toBeGreaterThan(100_000);
    expect(tracesIn(found)).toEqual([]);
    expect(tracesIn(opened.asked.join("\n"))).toEqual([]);
    expect(tracesIn((await keylane.log()).join("\n"))).toEqual([]);
    expect(opened.complaints).toEqual([]);
    expect(
      new Set(opened.asked.map((url) => new URL(url).protocol === "data:" || url.startsWith(keylane.url))),
    ).toEqual(new Set([true]));

    await context.close();
    let files = 0;
    for (const file of await readdir(profile, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      files++;
      const bytes = await readFile(join(file.parentPath, file.name));
      expect(bytes.includes(key), file.name).toBe(false);
      expect(bytes.includes(Buffer.from(key, "utf16le")), file.name).toBe(false);
      // A browser may write the fields of a request beside an answer that it keeps.
      expect(bytes.includes(`${keylane.url}/detailed/v1/models`), file.name).toBe(false);
    }
    expect(files).toBeGreaterThan(10);
  }, 60_000);

  test("is gone when the page is loaded anew, and when another is to be entered", async () => {
    const { key, tracesIn } = canary();
    const { keylane } = await behind([{ key }]);
    const context = await (await chromium.launch(LAUNCH)).newContext();
    onTestFinished(() => context.browser()?.close());
    const opened = await watched(context, await context.newPage(), keylane.url);
    await opened.page.fill("#key", key);
    await opened.page.reload();
    expect(await opened.page.inputValue("#key")).toBe("");
    await enter(opened, key);
    expect(await opened.page.getAttribute("#key", "type")).toBe("password");
    await opened.page.click("#drop-key");
    expect(tracesIn(await opened.page.evaluate<string>(IN_THE_PAGE))).toEqual([]);
    await opened.page.click("#tab-try");
    await opened.page.fill("#chat-model", "a/b");
    await opened.page.click("#chat-send");
    await says(opened, "#chat-trouble", /A key is needed/);
  });

  test("goes its way where the page was opened with a password in its address, which is shown nowhere", async () => {
    const { keylane } = await behind();
    const opened = await open(keylane.url.replace("://", "://ada:lovelace@"));
    await enter(opened, ALICE);
    await says(opened, "#count", "2 models");
    expect(await opened.page.evaluate("document.body.textContent")).not.toMatch(/lovelace/);
  });
});
