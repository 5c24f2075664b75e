// The console shows where a list came from and explains every failure.
import { expect, test } from "vitest";
import { describeWithBrowser, enterKey, expectText, openPage, startServers } from "../support/browser.ts";
import { runtime } from "../support/keylane.ts";
import { ALICE } from "../support/setup.ts";

describeWithBrowser("the console", () => {
  test("shows where the list came from (first a miss, then a hit) and how long it is fresh", async () => {
    const { keylane, nano } = await startServers();
    const opened = await openPage(keylane.url);
    await enterKey(opened, ALICE);
    await expectText(opened, "#verdict-label", "Miss");
    await expectText(opened, "#facts", /Fresh for\s+\d+ s more/);
    await opened.page.click("#ask-again");
    await expectText(opened, "#verdict-label", "Hit");
    // On Workers the edge compresses, not Keylane.
    const coding = runtime === "node" ? " br" : "";
    const facts = `Age\\s+\\d+ s\\s+Fresh for\\s+\\d+ s more\\s+Body\\s+[\\d.]+ k?B${coding}\\s+Answered in\\s+[\\d.]+ m?s`;
    await expectText(opened, "#facts", new RegExp(facts));
    expect(nano.lists()).toHaveLength(1);
    await opened.page.click("#tab-past");
    const rows = await opened.page.locator("#past-rows tr").allInnerTexts();
    expect(rows.map((row) => row.replaceAll(/\s+/g, " "))).toEqual([
      expect.stringMatching(/GET \/detailed\/v1\/models 200 hit; ttl=\d+/),
      expect.stringMatching(/HEAD \/detailed\/v1\/models only-if-cached 200 hit; ttl=\d+/),
      expect.stringMatching(/GET \/detailed\/v1\/models 200 fwd=uri-miss; stored/),
    ]);
  });

  test("shows the size of the body", async () => {
    const { keylane } = await startServers();
    const opened = await openPage(keylane.url);
    await enterKey(opened, ALICE);
    await expectText(opened, "#facts", /Body\s+[\d.]+ k?B/);
  });

  test("refreshes the list from NanoGPT on request and deletes it on request", async () => {
    const { keylane, nano } = await startServers();
    const opened = await openPage(keylane.url);
    await enterKey(opened, ALICE);
    await expectText(opened, "#facts", /Fresh for\s+\d+ s more/);
    nano.hide(ALICE, "openai/gpt-4-turbo");
    await keylane.advance(2000);
    await opened.page.click("#ask-again");
    await expectText(opened, "#verdict-label", "Hit");
    await expectText(opened, "#count", "2 models");
    await opened.page.click("#refresh");
    await expectText(opened, "#count", "1 model");
    await expectText(opened, "#verdict-label", "Asked");
    expect(nano.lists()).toHaveLength(2);
    await opened.page.click("#forget");
    await expectText(opened, "#notice", /Forgotten/);
    expect(await opened.page.locator("#rows .row").count()).toBe(0);
    await opened.page.click("#notice button");
    await expectText(opened, "#verdict-label", "Miss");
    expect(nano.lists()).toHaveLength(3);
  });

  test("shows that a list is stale while Keylane refreshes it", async () => {
    const { keylane } = await startServers();
    const opened = await openPage(keylane.url);
    await enterKey(opened, ALICE);
    await expectText(opened, "#facts", /Fresh for\s+\d+ s more/);
    await keylane.advance(70_000);
    await opened.page.click("#ask-again");
    await expectText(opened, "#verdict-label", "Stale");
    await expectText(opened, "#verdict-text", /asking NanoGPT again/);
    await expectText(opened, "#facts", /Fresh for\s+ended \d+ s ago/);
  });

  test("still shows the stored list when NanoGPT is down, with a notice", async () => {
    const { keylane, nano } = await startServers();
    const opened = await openPage(keylane.url);
    await enterKey(opened, ALICE);
    await expectText(opened, "#facts", /Fresh for\s+\d+ s more/);
    await keylane.advance(400_000);
    await nano.pause();
    await opened.page.click("#ask-again");
    await expectText(opened, "#verdict-label", "Stale");
    await expectText(opened, "#notice", /NanoGPT failed to answer\s+The list below is the one of \d\d:\d\d:\d\d/);
    await expectText(opened, "#count", "2 models");
  });

  test("keeps showing the list when Keylane has none any more, and shows when to retry", async () => {
    const { keylane, nano } = await startServers();
    const opened = await openPage(keylane.url);
    await enterKey(opened, ALICE);
    await expectText(opened, "#facts", /Fresh for\s+\d+ s more/);
    await keylane.advance(90_000_000);
    nano.fail({ kind: "rate-limited", retryAfter: 40 });
    await opened.page.click("#ask-again");
    await expectText(opened, "#notice", /^Rate-limited until \d\d:\d\d:\d\d[\s\S]*in 40 s\)\.[\s\S]*list below/);
    await expectText(opened, "#count", "2 models");
  });

  test("explains a rejected key, shows no list for it and focuses the key field", async () => {
    const { keylane } = await startServers();
    const opened = await openPage(keylane.url);
    await enterKey(opened, "sk-nano-test-nobody");
    await expectText(opened, "#notice", /^This key is not accepted\s+This API key is not known\.$/);
    expect(await opened.page.evaluate("document.activeElement.id")).toBe("key");
    await enterKey(opened, ALICE);
    await expectText(opened, "#count", "2 models");
    expect(await opened.page.isVisible("#notice")).toBe(false);
  });

  test("shows that NanoGPT is unreachable when no list is stored", async () => {
    const { keylane, nano } = await startServers();
    await nano.pause();
    const opened = await openPage(keylane.url);
    await enterKey(opened, ALICE);
    await expectText(opened, "#notice", /^NanoGPT cannot be reached\s/);
    await opened.page.context().setOffline(true);
    await opened.page.click("#tab-models");
    expect(await opened.page.isVisible("#answer")).toBe(false);
  });
});
