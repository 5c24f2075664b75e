import { Agent } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { runtime } from "../support/keylane.ts";
import {
  answerTo,
  begun,
  plainCall,
  valuesOf,
  type PlainAnswer,
  type PlainCall,
} from "../support/plain-call.ts";
import { scene } from "../support/setup.ts";

const onNode = runtime === "node";
const ECHO = "/v1/echo";
const AT_ECHO = { path: ECHO };
const NEVER = new Promise<void>(() => {});

async function keptScene(settings: Record<string, string> = {}) {
  const { nano, keylane } = await scene(settings);
  // One connection, so that what one call leaves behind meets the next.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const begin = (options?: PlainCall) => begun(keylane.url + ECHO, { agent, ...options });
  return { nano, begin, call: (options?: PlainCall) => plainCall(keylane.url + ECHO, { agent, ...options }) };
}

async function* firstThen(first: string, then: Promise<unknown> = Promise.resolve(), rest = "") {
  yield Buffer.from(first);
  await then;
  yield Buffer.from(rest);
}

function expectProblem({ status, lines, text }: PlainAnswer, expected: { status: number; code: string }) {
  expect(valuesOf(lines, "content-type")).toEqual(["application/json"]);
  const { error } = JSON.parse(text);
  expect({ status, code: error.code }).toEqual(expected);
  expect(Object.keys(error).sort()).toEqual(["code", "message", "param", "type"]);
  expect(error.message).toMatch(/^[A-Z].*\.$/);
}

describe("an upstream that breaks within the answer breaks the caller's", () => {
  test.for(["cut-with-length", "cut-chunked", "cut-close-chunked", "reset-after-headers"] as const)(
    "%s",
    async (kind) => {
      const { nano, call } = await keptScene();
      nano.fail({ kind }, { ...AT_ECHO, times: 1 });
      const { status, isWhole } = await call({ method: "POST", body: "{}" });
      expect({ status, isWhole }).toEqual({ status: 200, isWhole: false });
      expect(nano.seen).toHaveLength(1);
      expect((await call({ method: "POST", body: "next" })).text).toBe("next");
    },
  );

  test("when it is silent for PASSTHROUGH_TIMEOUT on Node; a Worker waits on", async () => {
    const { nano, begin } = await keptScene({ PASSTHROUGH_TIMEOUT: "200ms" });
    nano.fail({ kind: "hang-mid-body" }, AT_ECHO);
    const answer = await answerTo(begin());
    answer.on("error", () => {}).resume();
    const closed = new Promise((resolve) => answer.once("close", () => resolve("broken")));
    expect(await Promise.race([closed, sleep(1500, "open")])).toBe(onNode ? "broken" : "open");
    expect(answer.complete).toBe(false);
    answer.destroy();
  });

  test("but not when it is slow, however long it takes in all", async () => {
    const { call } = await keptScene({ PASSTHROUGH_TIMEOUT: "400ms" });
    const body = firstThen("one", sleep(250), "two");
    expect((await call({ method: "POST", body })).text).toBe("onetwo");
    const { nano, call: ask } = await keptScene({ PASSTHROUGH_TIMEOUT: "400ms" });
    nano.fail({ kind: "drip", bytes: 40, everyMs: 100 }, AT_ECHO);
    expect((await ask()).isWhole).toBe(true);
  });
});

describe("an upstream that does not answer is told of in OpenAI's shape", () => {
  const bodies = { "no body": {}, "a body": { method: "POST", body: "x".repeat(70_000) } };
  // A Worker's fetch says only that it failed.
  const failures = [
    { kind: "reset-before-headers", status: 502, code: onNode ? "upstream_error" : "upstream_unreachable" },
    { kind: "close-before-headers", status: 502, code: onNode ? "upstream_error" : "upstream_unreachable" },
    { kind: "garbage", status: 502, code: onNode ? "upstream_invalid_response" : "upstream_unreachable" },
    { kind: "hang-before-headers", status: 504, code: "upstream_timeout" },
  ] as const;

  describe.for(failures)("$kind", ({ kind, status, code }) => {
    test.for(Object.entries(bodies))("asked with %s", async ([, options]) => {
      const { nano, call } = await keptScene({ PASSTHROUGH_TIMEOUT: "300ms" });
      nano.fail({ kind }, { ...AT_ECHO, times: 1 });
      expectProblem(await call(options), { status, code });
      // Never asked twice: the first may have cost money.
      expect(nano.seen).toHaveLength(1);
      expect((await call({ method: "POST", body: "next" })).text).toBe("next");
    });
  });

  test.for(Object.entries(bodies))("refused, asked with %s", async ([, options]) => {
    const { nano, call } = await keptScene();
    await nano.pause();
    expectProblem(await call(options), { status: 502, code: "upstream_unreachable" });
    await nano.resume();
    expect((await call({ method: "POST", body: "next" })).text).toBe("next");
  });

  test("gone within the upload", async () => {
    const { nano, begin, call } = await keptScene();
    const outgoing = begin({ method: "POST", body: firstThen("half", NEVER) });
    const hold = nano.hold({ path: ECHO });
    await hold.arrived;
    await expect.poll(() => nano.seen[0]?.body.toString()).toBe("half");
    await nano.pause();
    const answer = await answerTo(outgoing);
    expect(answer.statusCode).toBe(502);
    answer.resume();
    outgoing.destroy();
    await nano.resume();
    expect((await call({ method: "POST", body: "next" })).text).toBe("next");
  });
});

describe("an answer's surroundings do not reach the next call", () => {
  test.for(["early-second", "keep-alive-close", "wrong-length-short"] as const)("%s", async (kind) => {
    const { nano, call } = await keptScene();
    nano.fail({ kind }, { ...AT_ECHO, times: 1 });
    await call({ method: "POST", body: "{}" });
    await sleep(30);
    for (const body of ["a", "b", "c"]) expect((await call({ method: "POST", body })).text).toBe(body);
  });
});

describe("a body over MAX_BODY_SIZE", () => {
  const LIMIT = { MAX_BODY_SIZE: "100KB" };
  const tooLarge = Buffer.alloc(100 * 1024 + 1);

  test("is refused with 413 before any of it is sent, where its length is told", async () => {
    const { nano, begin, call } = await keptScene(LIMIT);
    const announced = begin({ method: "POST", fields: `Content-Length: ${tooLarge.length}` });
    expect((await answerTo(announced)).statusCode).toBe(413);
    announced.destroy();
    expectProblem(await call({ method: "POST", body: tooLarge }), { status: 413, code: "body_too_large" });
    expect(nano.seen).toHaveLength(0);
    expect((await call({ method: "POST", body: tooLarge.subarray(1) })).body.length).toBe(100 * 1024);
  });

  test("is refused with 413 on the way, where it comes in chunks, and never ends upstream", async () => {
    const { nano, call } = await keptScene(LIMIT);
    nano.fail({ kind: "status", status: 200 }, { ...AT_ECHO, times: 1 });
    const body = firstThen("x".repeat(60_000), sleep(50), "x".repeat(60_000));
    expectProblem(await call({ method: "POST", body }), { status: 413, code: "body_too_large" });
    await nano.seen[0]?.closed;
    expect(nano.seen[0]).toMatchObject({ complete: false });
    expect((await call({ method: "POST", body: "next" })).text).toBe("next");
  });
});

describe("an answer that begins before the body has been sent", () => {
  test("comes down at once", async () => {
    const { nano, begin, call } = await keptScene();
    nano.fail({ kind: "status", status: 401, body: '{"no":1}', early: true }, { ...AT_ECHO, times: 1 });
    const outgoing = begin({ method: "POST", body: firstThen("half", NEVER) });
    const answer = await answerTo(outgoing);
    expect(answer.statusCode).toBe(401);
    let text = "";
    for await (const chunk of answer) text += String(chunk);
    expect(text).toBe('{"no":1}');
    outgoing.destroy();
    expect((await call({ method: "POST", body: "next" })).text).toBe("next");
  });

  test("breaks where the body turns out too large", async () => {
    const { nano, call } = await keptScene({ MAX_BODY_SIZE: "100KB" });
    const body = firstThen("x".repeat(60_000), sleep(100), "x".repeat(60_000));
    const answer = await call({ method: "POST", body });
    expect(answer).toMatchObject({ status: 200, isWhole: false });
    await nano.seen[0]?.closed;
    // Once an answer has begun, workerd may end the upload as if it were whole.
    if (onNode) expect(nano.seen[0]).toMatchObject({ complete: false });
  });
});
