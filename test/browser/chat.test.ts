import { expect, test } from "vitest";
import { behind, describeWithBrowser, enter, open, says } from "../support/browser.ts";
import { runtime } from "../support/keylane.ts";
import { ALICE } from "../support/setup.ts";

// workerd notices a plain close, which is a browser's, only when it next writes.
const hearsOfLeaving = runtime === "node";
const MODEL = "openai/gpt-4-turbo";

async function trying(path = "") {
  const { keylane, nano } = await behind();
  const opened = await open(keylane.url + path);
  await enter(opened, ALICE);
  await opened.page.locator("#rows .row", { hasText: MODEL }).locator(".name-button").click();
  expect(await opened.page.inputValue("#chat-model")).toBe(MODEL);
  return { nano, opened };
}

describeWithBrowser("trying a model on the console", () => {
  test("shows the reply as it is streamed, the time to its first token, and its pace", async () => {
    const { opened, nano } = await trying();
    await opened.page.fill("#chat-text", "tell me <b>all</b>");
    await opened.page.click("#chat-send");
    await says(opened, "#chat-reply", /^You said “tell me <b>all<\/b>” – grüße from the stand-in/);
    await says(
      opened,
      "#chat-facts",
      /First token\s+[\d.]+ m?s\s+Pace\s+[\d.]+ tokens\/s\s+Length\s+\d+ tokens/,
    );
    const call = nano.seen.find(({ target }) => target.includes("chat"));
    expect(JSON.parse(String(call?.body))).toMatchObject({ model: MODEL, stream: true });
    expect(call?.headers["authorization"]).toBe(`Bearer ${ALICE}`);
  });

  test("can be stopped, which ends the call to NanoGPT", async () => {
    const { opened, nano } = await trying();
    const held = nano.hold({ path: "/chat" });
    await opened.page.click("#chat-send");
    await held.arrived;
    await opened.page.click("#chat-stop");
    await says(opened, "#chat-reply", /Stopped/);
    const call = nano.seen.find(({ target }) => target.includes("/chat"));
    if (hearsOfLeaving) await expect.poll(() => call?.aborted).toBe(true);
    held.release();
    expect(await opened.page.isEnabled("#chat-send")).toBe(true);
  });

  test("says what NanoGPT has against it", async () => {
    const { opened, nano } = await trying();
    nano.fail({ kind: "rate-limited", retryAfter: 30 }, { path: "/chat" });
    await opened.page.click("#chat-send");
    await says(opened, "#chat-trouble", /^Rate-limited until \d\d:\d\d:\d\d/);
    nano.fail(undefined);
    nano.fail(
      { kind: "status", status: 400, body: '{"error":{"message":"<img src=x> is no model"}}' },
      { path: "/chat" },
    );
    await opened.page.click("#chat-send");
    await says(opened, "#chat-trouble", /^The request was refused \(400\)\s+<img src=x> is no model$/);
    expect(await opened.page.locator("#chat-trouble img").count()).toBe(0);
  });

  test("says that a reply broke off", async () => {
    const { opened, nano } = await trying();
    nano.fail({ kind: "cut-chunked" }, { path: "/chat" });
    await opened.page.click("#chat-send");
    await says(opened, "#chat-trouble", /^The reply broke off/);
  });

  test("is over with its key: nothing of its reply is left for the next one", async () => {
    const { opened, nano } = await trying();
    await opened.page.click("#chat-send");
    await says(opened, "#chat-reply", /You said/);
    await opened.page.click("#drop-key");
    expect(await opened.page.textContent("#try")).not.toMatch(/You said|tokens/);
    await opened.page.click("#tab-models");
    await enter(opened, ALICE);
    await opened.page.click("#tab-try");
    const held = nano.hold({ path: "/chat" });
    await opened.page.click("#chat-send");
    await held.arrived;
    await opened.page.click("#drop-key");
    const call = nano.seen.findLast(({ target }) => target.includes("/chat"));
    if (hearsOfLeaving) await expect.poll(() => call?.aborted).toBe(true);
    held.release();
  });
});
