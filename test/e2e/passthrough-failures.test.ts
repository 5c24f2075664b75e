// A failing upstream gives the documented error or a broken-off response, and never affects the next call.
import { Agent } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { runtime } from "../support/keylane.ts";
import {
  responseTo,
  startCall,
  plainCall,
  headerValues,
  type PlainAnswer,
  type PlainCall,
} from "../support/plain-call.ts";
import { setup } from "../support/setup.ts";

const onNode = runtime === "node";
const ECHO = "/v1/echo";
const AT_ECHO = { path: ECHO };
const NEVER = new Promise<void>(() => {});

async function keptSetup(settings: Record<string, string> = {}) {
  const { nano, keylane } = await setup(settings);
  // One connection, so that leftovers of one call would reach the next.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const start = (options?: PlainCall) => startCall(keylane.url + ECHO, { agent, ...options });
  return { nano, start, call: (options?: PlainCall) => plainCall(keylane.url + ECHO, { agent, ...options }) };
}

async function* twoChunks(first: string, pause: Promise<unknown> = Promise.resolve(), rest = "") {
  yield Buffer.from(first);
  await pause;
  yield Buffer.from(rest);
}

function expectError({ status, rawHeaders, text }: PlainAnswer, expected: { status: number; code: string }) {
  expect(headerValues(rawHeaders, "content-type")).toEqual(["application/json"]);
  const { error } = JSON.parse(text);
  expect({ status, code: error.code }).toEqual(expected);
  expect(Object.keys(error).sort()).toEqual(["code", "message", "param", "type"]);
  expect(error.message).toMatch(/^[A-Z].*\.$/);
}

describe("an upstream that breaks off its response breaks off the client's", () => {
  test.for(["cut-with-length", "cut-chunked", "cut-close-chunked", "reset-after-headers"] as const)(
    "%s",
    async (kind) => {
      const { nano, call } = await keptSetup();
      nano.fail({ kind }, { ...AT_ECHO, times: 1 });
      const { status, isComplete } = await call({ method: "POST", body: "{}" });
      expect({ status, isComplete }).toEqual({ status: 200, isComplete: false });
      expect(nano.seen).toHaveLength(1);
      expect((await call({ method: "POST", body: "next" })).text).toBe("next");
    },
  );

  test("after PASSTHROUGH_TIMEOUT without a byte on Node; a Worker keeps waiting", async () => {
    const { nano, start } = await keptSetup({ PASSTHROUGH_TIMEOUT: "200ms" });
    nano.fail({ kind: "hang-mid-body" }, AT_ECHO);
    const answer = await responseTo(start());
    answer.on("error", () => {}).resume();
    const closed = new Promise((resolve) => answer.once("close", () => resolve("broken")));
    expect(await Promise.race([closed, sleep(1500, "open")])).toBe(onNode ? "broken" : "open");
    expect(answer.complete).toBe(false);
    answer.destroy();
  });

  test("but not while bytes keep coming, however long it takes", async () => {
    const { call } = await keptSetup({ PASSTHROUGH_TIMEOUT: "400ms" });
    const body = twoChunks("one", sleep(250), "two");
    expect((await call({ method: "POST", body })).text).toBe("onetwo");
    const { nano, call: callSlow } = await keptSetup({ PASSTHROUGH_TIMEOUT: "400ms" });
    nano.fail({ kind: "drip", bytes: 40, everyMs: 100 }, AT_ECHO);
    expect((await callSlow()).isComplete).toBe(true);
  });
});

describe("an upstream that does not respond gives an error in OpenAI's envelope", () => {
  const bodies = { "no body": {}, "a body": { method: "POST", body: "x".repeat(70_000) } };
  // In a Worker, fetch only reports that it failed.
  const failures = [
    { kind: "reset-before-headers", status: 502, code: onNode ? "upstream_error" : "upstream_unreachable" },
    { kind: "close-before-headers", status: 502, code: onNode ? "upstream_error" : "upstream_unreachable" },
    { kind: "garbage", status: 502, code: onNode ? "upstream_invalid_response" : "upstream_unreachable" },
    { kind: "hang-before-headers", status: 504, code: "upstream_timeout" },
  ] as const;

  describe.for(failures)("$kind", ({ kind, status, code }) => {
    test.for(Object.entries(bodies))("to a request with %s", async ([, options]) => {
      const { nano, call } = await keptSetup({ PASSTHROUGH_TIMEOUT: "300ms" });
      nano.fail({ kind }, { ...AT_ECHO, times: 1 });
      expectError(await call(options), { status, code });
      // Never sent twice, since the first call may have cost money.
      expect(nano.seen).toHaveLength(1);
      expect((await call({ method: "POST", body: "next" })).text).toBe("next");
    });
  });

  test.for(Object.entries(bodies))("connection refused, to a request with %s", async ([, options]) => {
    const { nano, call } = await keptSetup();
    await nano.pause();
    expectError(await call(options), { status: 502, code: "upstream_unreachable" });
    await nano.resume();
    expect((await call({ method: "POST", body: "next" })).text).toBe("next");
  });

  test("upstream goes away during the upload", async () => {
    const { nano, start, call } = await keptSetup();
    const outgoing = start({ method: "POST", body: twoChunks("half", NEVER) });
    const hold = nano.hold({ path: ECHO });
    await hold.arrived;
    await expect.poll(() => nano.seen[0]?.body.toString()).toBe("half");
    await nano.pause();
    const answer = await responseTo(outgoing);
    expect(answer.statusCode).toBe(502);
    answer.resume();
    outgoing.destroy();
    await nano.resume();
    expect((await call({ method: "POST", body: "next" })).text).toBe("next");
  });
});

describe("surplus bytes and connection state do not reach the next call", () => {
  test.for(["early-second", "keep-alive-close", "wrong-length-short"] as const)("%s", async (kind) => {
    const { nano, call } = await keptSetup();
    nano.fail({ kind }, { ...AT_ECHO, times: 1 });
    await call({ method: "POST", body: "{}" });
    await sleep(30);
    for (const body of ["a", "b", "c"]) expect((await call({ method: "POST", body })).text).toBe(body);
  });
});

describe("a body over MAX_BODY_SIZE", () => {
  const LIMIT = { MAX_BODY_SIZE: "100KB" };
  const tooLarge = Buffer.alloc(100 * 1024 + 1);

  test("gets 413 before any of it is forwarded, where its length is announced", async () => {
    const { nano, start, call } = await keptSetup(LIMIT);
    const announced = start({ method: "POST", fields: `Content-Length: ${tooLarge.length}` });
    expect((await responseTo(announced)).statusCode).toBe(413);
    announced.destroy();
    expectError(await call({ method: "POST", body: tooLarge }), { status: 413, code: "body_too_large" });
    expect(nano.seen).toHaveLength(0);
    expect((await call({ method: "POST", body: tooLarge.subarray(1) })).body.length).toBe(100 * 1024);
  });

  test("gets 413 during the upload, where it is chunked, and never completes upstream", async () => {
    const { nano, call } = await keptSetup(LIMIT);
    nano.fail({ kind: "status", status: 200 }, { ...AT_ECHO, times: 1 });
    const body = twoChunks("x".repeat(60_000), sleep(50), "x".repeat(60_000));
    expectError(await call({ method: "POST", body }), { status: 413, code: "body_too_large" });
    await nano.seen[0]?.closed;
    expect(nano.seen[0]).toMatchObject({ complete: false });
    expect((await call({ method: "POST", body: "next" })).text).toBe("next");
  });
});

describe("a response that begins before the request body is complete", () => {
  test("is relayed at once", async () => {
    const { nano, start, call } = await keptSetup();
    nano.fail({ kind: "status", status: 401, body: '{"no":1}', early: true }, { ...AT_ECHO, times: 1 });
    const outgoing = start({ method: "POST", body: twoChunks("half", NEVER) });
    const answer = await responseTo(outgoing);
    expect(answer.statusCode).toBe(401);
    let text = "";
    for await (const chunk of answer) text += String(chunk);
    expect(text).toBe('{"no":1}');
    outgoing.destroy();
    expect((await call({ method: "POST", body: "next" })).text).toBe("next");
  });

  test("is broken off where the body turns out too large", async () => {
    const { nano, call } = await keptSetup({ MAX_BODY_SIZE: "100KB" });
    const body = twoChunks("x".repeat(60_000), sleep(100), "x".repeat(60_000));
    const answer = await call({ method: "POST", body });
    expect(answer).toMatchObject({ status: 200, isComplete: false });
    await nano.seen[0]?.closed;
    // Once a response has begun, workerd may end the upload as if it were complete.
    if (onNode) expect(nano.seen[0]).toMatchObject({ complete: false });
  });
});
