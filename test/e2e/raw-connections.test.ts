import { describe, expect, test } from "vitest";
import { connection } from "../support/connection.ts";
import { runtime } from "../support/keylane.ts";
import { BOBS, BOBS_LIST, get, odd, primed, seenBy } from "../support/raw-request.ts";
import { ALICE, BOB } from "../support/setup.ts";
import { OLD } from "../support/stale-setup.ts";
import { answersIn } from "../support/wire-answers.ts";

const SMUGGLED = "GET /v1/echo/smuggled HTTP/1.1\nHost: a\n\n";
const bytes = (text: string) => text.replaceAll("\n", "\r\n").length;
const known = (start: string, body = SMUGGLED) =>
  `${start} HTTP/1.1\nHost: a\nContent-Length: ${bytes(body)}\n`;
const chunked = (start: string) => `${start} HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n`;
const CHUNKS = `${bytes(SMUGGLED).toString(16)}\n${SMUGGLED}\n0\n\n`;

describe("a body where none is expected is not read as a request", () => {
  test.for<{ what: string; request: string; outcome: string; upstream?: string[] }>([
    ...[
      { to: "GET /v1/models", outcome: "200, in step", upstream: [BOBS_LIST] },
      { to: "HEAD /v1/models", outcome: "200, in step", upstream: [BOBS_LIST] },
      { to: "GET /v1/models/x", outcome: "404 model_not_found, in step", upstream: [BOBS_LIST] },
      { to: "PURGE /v1/models", outcome: "204, in step", upstream: [] },
      { to: "DELETE /v1/models", outcome: "204, in step", upstream: [] },
      { to: "POST /v1/models", outcome: "405 method_not_allowed, in step", upstream: [] },
      { to: "POST /nowhere", outcome: "404 not_found, in step", upstream: [] },
      { to: "GET /healthz", outcome: "200, in step", upstream: [] },
      { to: "OPTIONS /v1/models", outcome: "204, in step", upstream: [] },
      { to: "POST /v1/%2e%2e/x", outcome: "400 bad_request, in step", upstream: [] },
    ].flatMap(({ to, ...rest }) => [
      { what: `${to}, of a known length`, request: `${known(to)}${BOBS}\n${SMUGGLED}`, ...rest },
      { what: `${to}, in chunks`, request: `${chunked(to)}${BOBS}\n${CHUNKS}`, ...rest },
    ]),
    {
      what: "GET /v1/models without a key",
      request: `${known("GET /v1/models")}\n${SMUGGLED}`,
      outcome: "401 missing_api_key, in step",
    },
    {
      what: "GET /v1/models with two",
      request: `${chunked("GET /v1/models")}${BOBS}x-api-key: other\n\n${CHUNKS}`,
      outcome: "400 ambiguous_credentials, in step",
    },
  ])("$what", async ({ request, outcome, upstream = [] }) => {
    expect(await odd(request)).toMatchObject({ outcome, upstream });
  });

  test("but is the body of a call that passes through", async () => {
    const { outcome, upstream, answers } = await odd(`${known("POST /v1/echo")}\n${SMUGGLED}`);
    expect({ outcome, upstream }).toEqual({
      outcome: "200, in step",
      upstream: ["POST /api/v1/echo nobody"],
    });
    expect(answers[0]?.body).toBe(SMUGGLED.replaceAll("\n", "\r\n"));
  });
});

describe("a list route", () => {
  test("answers a caller who waits to be told to go on", async () => {
    const request = `${known("GET /v1/models", "hello")}${BOBS}Expect: 100-continue\n\nhello`;
    const { outcome, upstream } = await odd(request);
    // workerd says 100 only where the Worker reads the body.
    expect(outcome).toBe(runtime === "node" ? "100, 200, in step" : "200, in step");
    expect(upstream).toEqual([BOBS_LIST]);
  });

  test("answers a caller with another expectation", async () => {
    const { outcome, upstream } = await odd(get("/v1/models", `${BOBS}Expect: 200-ok\n`));
    expect({ outcome, upstream }).toEqual({ outcome: "200, in step", upstream: [BOBS_LIST] });
  });

  test.for(["/v1/models", "/v1/models/x", "/v1/echo", "/healthz"])(
    "never sends a TRACE back: %s",
    async (target) => {
      const { outcome, upstream, answers } = await odd(`TRACE ${target} HTTP/1.1\nHost: a\n${BOBS}\n`);
      expect({ outcome, upstream }).toEqual({ outcome: "405 method_not_allowed, in step", upstream: [] });
      expect(answers[0]?.body).not.toContain(BOB);
    },
  );

  test.for(["close, authorization", "close", "keep-alive, close"])(
    "answers once, and closes, whatever follows: Connection: %s",
    async (value) => {
      const request = get("/v1/models", `${BOBS}Connection: ${value}\n`);
      expect(await odd(request + SMUGGLED)).toMatchObject({ outcome: "200, closed", upstream: [BOBS_LIST] });
    },
  );

  test.for(["websocket", "h2c", "TLS/1.0"])("answers a caller who offers %s", async (protocol) => {
    const offer = `Connection: Upgrade, HTTP2-Settings\nUpgrade: ${protocol}\nHTTP2-Settings: AAMA\n`;
    const { outcome, upstream } = await odd(get("/v1/models", BOBS + offer));
    // Node's parser drops what is sent behind an offer, so nothing there may be taken for a request.
    expect(outcome).toBe(runtime === "node" ? "200, closed" : "200, in step");
    expect(upstream).toEqual([BOBS_LIST]);
  });
});

describe("requests that do not wait for each other", () => {
  test("get each their own list, in their order: a thousand of two keys", async () => {
    const all = await primed();
    await all.list(BOB);
    const { say, until } = await connection(all.keylane.url);
    const keys = Array.from({ length: 1000 }, (_, index) => (index % 2 === 0 ? ALICE : BOB));
    say(keys.map((key, index) => get("/v1/models", `x-api-key: ${key}\nX-Request-Id: n${index}\n`)).join(""));
    const answers = answersIn(await until(/x-request-id: n999\r[^]*?\]\}$/i));
    expect(answers.map(({ head }) => /^x-request-id: (\S+)\r?$/im.exec(head)?.[1])).toEqual(
      keys.map((_, index) => `n${index}`),
    );
    const told = answers.map(({ body }) => OLD.filter((id) => body.includes(`"id":"${id}"`)).length);
    expect(told).toEqual(keys.map((key) => (key === ALICE ? OLD.length : 0)));
    const bobs = answers.map(({ body }) => body.includes('"id":"NousResearch/hermes-4-70b"'));
    expect(bobs).toEqual(keys.map((key) => key === BOB));
    expect(all.nano.seen).toHaveLength(1);
  });

  test("go up each with their own key and body: calls of two keys in one packet", async () => {
    const { keylane } = await primed();
    const { say, until } = await connection(keylane.url);
    const sent = Array.from({ length: 100 }, (_, index) => ({
      key: index % 2 === 0 ? ALICE : BOB,
      body: `body ${index}.`,
    }));
    say(sent.map(({ key, body }) => `${known("POST /v1/echo", body)}x-api-key: ${key}\n\n${body}`).join(""));
    const answers = answersIn(await until(/body 99\./));
    const came = answers.map(({ head, body }) => {
      const echoed = Buffer.from(/^x-echo-headers: (\S+)/im.exec(head)?.[1] ?? "", "base64").toString();
      return { keys: [ALICE, BOB].filter((key) => echoed.includes(`"${key}"`)), body };
    });
    expect(came).toEqual(sent.map(({ key, body }) => ({ keys: [key], body: expect.stringContaining(body) })));
  });

  test("get their answers in their order, where the first is slow", async () => {
    const all = await primed();
    const slow = all.nano.hold({ key: BOB });
    const { say, until, heard } = await connection(all.keylane.url);
    const second = get("/v1/models", `x-api-key: ${ALICE}\nX-Request-Id: second\n`);
    say(
      get("/v1/models", `${BOBS}X-Request-Id: first\n`) + second + get("/healthz", "X-Request-Id: third\n"),
    );
    await slow.arrived;
    expect(heard()).toBe("");
    slow.release();
    const answers = answersIn(await until(/x-request-id: third\r[^]*?"alive"\}/i));
    expect(answers.map(({ head }) => /^x-request-id: (\S+)\r?$/im.exec(head)?.[1])).toEqual([
      "first",
      "second",
      "third",
    ]);
    expect(answers[0]?.body).not.toContain("gpt-4-turbo");
    expect(answers[1]?.body).toContain("gpt-4-turbo");
  });

  test("are read right where they come a byte at a time", async () => {
    const all = await primed();
    const { say, until } = await connection(all.keylane.url);
    // Without a body: workerd closes where it has answered before all of one is here.
    const two = `${get("/v1/models", BOBS)}${get("/healthz", "")}`;
    for (const byte of two.replaceAll("\n", "␍␊")) {
      say(byte);
      await new Promise(setImmediate);
    }
    const answers = answersIn(await until(/"alive"\}/));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(seenBy(all)).toEqual([BOBS_LIST]);
  });
});
