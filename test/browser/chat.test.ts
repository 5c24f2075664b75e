// The console streams a chat reply, measures its speed, can stop it and removes it with the key.
import { expect, test } from "vitest";
import { describeWithBrowser, enterKey, expectText, openPage, startServers } from "../support/browser.ts";
import { runtime } from "../support/keylane.ts";
import { ALICE } from "../support/setup.ts";

// workerd notices that a client closed the connection only when it next writes.
const detectsDisconnect = runtime === "node";
const MODEL = "openai/gpt-4-turbo";

async function openChat() {
  const { keylane, nano } = await startServers();
  const opened = await openPage(keylane.url);
  await enterKey(opened, ALICE);
  await opened.page.locator("#rows .row", { hasText: MODEL }).locator(".name-button").click();
  expect(await opened.page.inputValue("#chat-model")).toBe(MODEL);
  return { nano, opened };
}

describeWithBrowser("trying a model on the console", () => {
  test("shows the reply as it is streamed, the time to its first token, and its speed", async () => {
    const { opened, nano } = await openChat();
    await opened.page.fill("#chat-text", "tell me <b>all</b>");
    await opened.page.click("#chat-send");
    await expectText(opened, "#chat-reply", /^You said “tell me <b>all<\/b>” – grüße from the stand-in/);
    await expectText(opened, "#chat-facts", /First token\s+[\d.]+ m?s\s+Pace\s+[\d.]+ tokens\/s\s+Length\s+\d+ tokens/);
    const call = nano.seen.find(({ target }) => target.includes("chat"));
    expect(JSON.parse(String(call?.body))).toMatchObject({ model: MODEL, stream: true });
    expect(call?.headers["authorization"]).toBe(`Bearer ${ALICE}`);
  });

  test("can be stopped, which aborts the request to NanoGPT", async () => {
    const { opened, nano } = await openChat();
    const hold = nano.hold({ path: "/chat" });
    await opened.page.click("#chat-send");
    await hold.arrived;
    await opened.page.click("#chat-stop");
    await expectText(opened, "#chat-reply", /Stopped/);
    const call = nano.seen.find(({ target }) => target.includes("/chat"));
    if (detectsDisconnect) await expect.poll(() => call?.aborted).toBe(true);
    hold.release();
    expect(await opened.page.isEnabled("#chat-send")).toBe(true);
  });

  test("shows the error that NanoGPT returned", async () => {
    const { opened, nano } = await openChat();
    nano.fail({ kind: "rate-limited", retryAfter: 30 }, { path: "/chat" });
    await opened.page.click("#chat-send");
    await expectText(opened, "#chat-notice", /^Rate-limited until \d\d:\d\d:\d\d/);
    nano.fail(undefined);
    nano.fail(
      { kind: "status", status: 400, body: '{"error":{"message":"<img src=x> is no model"}}' },
      { path: "/chat" },
    );
    await opened.page.click("#chat-send");
    await expectText(opened, "#chat-notice", /^The request was refused \(400\)\s+<img src=x> is no model$/);
    expect(await opened.page.locator("#chat-notice img").count()).toBe(0);
  });

  test("shows that the connection broke during a reply", async () => {
    const { opened, nano } = await openChat();
    nano.fail({ kind: "cut-chunked" }, { path: "/chat" });
    await opened.page.click("#chat-send");
    await expectText(opened, "#chat-notice", /^The reply broke off/);
  });

  test("ends with its key: the request is aborted and the reply removed", async () => {
    const { opened, nano } = await openChat();
    await opened.page.click("#chat-send");
    await expectText(opened, "#chat-reply", /You said/);
    await opened.page.click("#drop-key");
    expect(await opened.page.textContent("#try")).not.toMatch(/You said|tokens/);
    await opened.page.click("#tab-models");
    await enterKey(opened, ALICE);
    await opened.page.click("#tab-try");
    const hold = nano.hold({ path: "/chat" });
    await opened.page.click("#chat-send");
    await hold.arrived;
    await opened.page.click("#drop-key");
    const call = nano.seen.findLast(({ target }) => target.includes("/chat"));
    if (detectsDisconnect) await expect.poll(() => call?.aborted).toBe(true);
    hold.release();
  });
});
