import { expect, test } from "vitest";
import { behind, describeWithBrowser, enter, open, says } from "../support/browser.ts";
import { runtime } from "../support/keylane.ts";
import { ALICE } from "../support/setup.ts";

describeWithBrowser("the console", () => {
  test("says where the list came from: a miss, then the cache, and how long it is fresh", async () => {
    const { keylane, nano } = await behind();
    const opened = await open(keylane.url);
    await enter(opened, ALICE);
    await says(opened, "#verdict-word", "Miss");
    await says(opened, "#facts", /Fresh for\s+\d+ s more/);
    await opened.page.click("#ask-again");
    await says(opened, "#verdict-word", "Hit");
    // On Workers nothing is coded: the edge does that.
    const coding = runtime === "node" ? " br" : "";
    const facts = `Age\\s+\\d+ s\\s+Fresh for\\s+\\d+ s more\\s+Body\\s+[\\d.]+ k?B${coding}\\s+Answered in\\s+[\\d.]+ m?s`;
    await says(opened, "#facts", new RegExp(facts));
    expect(nano.lists()).toHaveLength(1);
    await opened.page.click("#tab-past");
    const rows = await opened.page.locator("#past-rows tr").allInnerTexts();
    expect(rows.map((row) => row.replaceAll(/\s+/g, " "))).toEqual([
      expect.stringMatching(/GET \/detailed\/v1\/models 200 hit; ttl=\d+/),
      expect.stringMatching(/HEAD \/detailed\/v1\/models only-if-cached 200 hit; ttl=\d+/),
      expect.stringMatching(/GET \/detailed\/v1\/models 200 fwd=uri-miss; stored/),
    ]);
  });

  test("shows the bytes and the coding of a body that was sent", async () => {
    const { keylane } = await behind();
    const opened = await open(keylane.url);
    await enter(opened, ALICE);
    await says(opened, "#facts", /Body\s+[\d.]+ k?B/);
  });

  test("asks NanoGPT when told to, and forgets the list when told to", async () => {
    const { keylane, nano } = await behind();
    const opened = await open(keylane.url);
    await enter(opened, ALICE);
    await says(opened, "#facts", /Fresh for\s+\d+ s more/);
    nano.hide(ALICE, "openai/gpt-4-turbo");
    await keylane.advance(2000);
    await opened.page.click("#ask-again");
    await says(opened, "#verdict-word", "Hit");
    await says(opened, "#count", "2 models");
    await opened.page.click("#refresh");
    await says(opened, "#count", "1 model");
    await says(opened, "#verdict-word", "Asked");
    expect(nano.lists()).toHaveLength(2);
    await opened.page.click("#forget");
    await says(opened, "#trouble", /Forgotten/);
    expect(await opened.page.locator("#rows .row").count()).toBe(0);
    await opened.page.click("#trouble button");
    await says(opened, "#verdict-word", "Miss");
    expect(nano.lists()).toHaveLength(3);
  });

  test("says that a list is stale while Keylane asks anew", async () => {
    const { keylane } = await behind();
    const opened = await open(keylane.url);
    await enter(opened, ALICE);
    await says(opened, "#facts", /Fresh for\s+\d+ s more/);
    await keylane.advance(70_000);
    await opened.page.click("#ask-again");
    await says(opened, "#verdict-word", "Stale");
    await says(opened, "#verdict-text", /asking NanoGPT anew/);
    await says(opened, "#facts", /Fresh for\s+ended \d+ s ago/);
  });

  test("still shows the stored list when NanoGPT is down, and says so", async () => {
    const { keylane, nano } = await behind();
    const opened = await open(keylane.url);
    await enter(opened, ALICE);
    await says(opened, "#facts", /Fresh for\s+\d+ s more/);
    await keylane.advance(400_000);
    await nano.pause();
    await opened.page.click("#ask-again");
    await says(opened, "#verdict-word", "Stale");
    await says(
      opened,
      "#trouble",
      /NanoGPT did not answer well\s+The list below is the one of \d\d:\d\d:\d\d/,
    );
    await says(opened, "#count", "2 models");
  });

  test("keeps what it shows when no list is held any more, and says until when to wait", async () => {
    const { keylane, nano } = await behind();
    const opened = await open(keylane.url);
    await enter(opened, ALICE);
    await says(opened, "#facts", /Fresh for\s+\d+ s more/);
    await keylane.advance(90_000_000);
    nano.fail({ kind: "rate-limited", retryAfter: 40 });
    await opened.page.click("#ask-again");
    await says(opened, "#trouble", /^Rate-limited until \d\d:\d\d:\d\d[\s\S]*in 40 s\)\.[\s\S]*list below/);
    await says(opened, "#count", "2 models");
  });

  test("says what is wrong with a key, shows nothing of it and asks for another", async () => {
    const { keylane } = await behind();
    const opened = await open(keylane.url);
    await enter(opened, "sk-nano-test-nobody");
    await says(opened, "#trouble", /^This key is not accepted\s+This API key is not known\.$/);
    expect(await opened.page.evaluate("document.activeElement.id")).toBe("key");
    await enter(opened, ALICE);
    await says(opened, "#count", "2 models");
    expect(await opened.page.isVisible("#trouble")).toBe(false);
  });

  test("says when nothing is there at all", async () => {
    const { keylane, nano } = await behind();
    await nano.pause();
    const opened = await open(keylane.url);
    await enter(opened, ALICE);
    await says(opened, "#trouble", /^NanoGPT cannot be reached\s/);
    await opened.page.context().setOffline(true);
    await opened.page.click("#tab-models");
    expect(await opened.page.isVisible("#answer")).toBe(false);
  });
});
