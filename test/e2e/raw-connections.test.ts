// Bodies, pipelining and odd framing never desynchronize a connection or mix up two keys on it.
import { describe, expect, test } from "vitest";
import { openConnection } from "../support/connection.ts";
import { runtime } from "../support/keylane.ts";
import {
  BOB_HEADER,
  BOB_LIST_REQUEST,
  get,
  sendRawRequest,
  primedSetup,
  upstreamRequests,
} from "../support/raw-request.ts";
import { ALICE, BOB } from "../support/setup.ts";
import { OLD } from "../support/stale-setup.ts";
import { parseAnswers } from "../support/wire-answers.ts";

const SMUGGLED = "GET /v1/echo/smuggled HTTP/1.1\nHost: a\n\n";
const bytes = (text: string) => text.replaceAll("\n", "\r\n").length;
const withLength = (start: string, body = SMUGGLED) => `${start} HTTP/1.1\nHost: a\nContent-Length: ${bytes(body)}\n`;
const chunked = (start: string) => `${start} HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n`;
const CHUNKS = `${bytes(SMUGGLED).toString(16)}\n${SMUGGLED}\n0\n\n`;

describe("a body that is not expected is not parsed as a request", () => {
  test.for<{ name: string; request: string; outcome: string; upstream?: string[] }>([
    ...[
      { start: "GET /v1/models", outcome: "200, in sync", upstream: [BOB_LIST_REQUEST] },
      { start: "HEAD /v1/models", outcome: "200, in sync", upstream: [BOB_LIST_REQUEST] },
      { start: "GET /v1/models/x", outcome: "404 model_not_found, in sync", upstream: [BOB_LIST_REQUEST] },
      { start: "PURGE /v1/models", outcome: "204, in sync", upstream: [] },
      { start: "DELETE /v1/models", outcome: "204, in sync", upstream: [] },
      { start: "POST /v1/models", outcome: "405 method_not_allowed, in sync", upstream: [] },
      { start: "POST /nowhere", outcome: "404 not_found, in sync", upstream: [] },
      { start: "GET /healthz", outcome: "200, in sync", upstream: [] },
      { start: "OPTIONS /v1/models", outcome: "204, in sync", upstream: [] },
      { start: "POST /v1/%2e%2e/x", outcome: "400 bad_request, in sync", upstream: [] },
    ].flatMap(({ start, ...rest }) => [
      { name: `${start}, with Content-Length`, request: `${withLength(start)}${BOB_HEADER}\n${SMUGGLED}`, ...rest },
      { name: `${start}, chunked`, request: `${chunked(start)}${BOB_HEADER}\n${CHUNKS}`, ...rest },
    ]),
    {
      name: "GET /v1/models without a key",
      request: `${withLength("GET /v1/models")}\n${SMUGGLED}`,
      outcome: "401 missing_api_key, in sync",
    },
    {
      name: "GET /v1/models with two keys",
      request: `${chunked("GET /v1/models")}${BOB_HEADER}x-api-key: other\n\n${CHUNKS}`,
      outcome: "400 ambiguous_credentials, in sync",
    },
  ])("$name", async ({ request, outcome, upstream = [] }) => {
    expect(await sendRawRequest(request)).toMatchObject({ outcome, upstream });
  });

  test("except as the body of a passthrough call", async () => {
    const { outcome, upstream, answers } = await sendRawRequest(`${withLength("POST /v1/echo")}\n${SMUGGLED}`);
    expect({ outcome, upstream }).toEqual({ outcome: "200, in sync", upstream: ["POST /api/v1/echo anonymous"] });
    expect(answers[0]?.body).toBe(SMUGGLED.replaceAll("\n", "\r\n"));
  });
});

describe("a list route", () => {
  test("answers a client that waits for 100 Continue", async () => {
    const request = `${withLength("GET /v1/models", "hello")}${BOB_HEADER}Expect: 100-continue\n\nhello`;
    const { outcome, upstream } = await sendRawRequest(request);
    // workerd sends 100 only where the Worker reads the body.
    expect(outcome).toBe(runtime === "node" ? "100, 200, in sync" : "200, in sync");
    expect(upstream).toEqual([BOB_LIST_REQUEST]);
  });

  test("answers a client with another expectation", async () => {
    const { outcome, upstream } = await sendRawRequest(get("/v1/models", `${BOB_HEADER}Expect: 200-ok\n`));
    expect({ outcome, upstream }).toEqual({ outcome: "200, in sync", upstream: [BOB_LIST_REQUEST] });
  });

  test.for(["/v1/models", "/v1/models/x", "/v1/echo", "/healthz"])("never echoes a TRACE: %s", async (target) => {
    const { outcome, upstream, answers } = await sendRawRequest(`TRACE ${target} HTTP/1.1\nHost: a\n${BOB_HEADER}\n`);
    expect({ outcome, upstream }).toEqual({ outcome: "405 method_not_allowed, in sync", upstream: [] });
    expect(answers[0]?.body).not.toContain(BOB);
  });

  test.for(["close, authorization", "close", "keep-alive, close"])(
    "answers once and closes, ignoring pipelined bytes: Connection: %s",
    async (value) => {
      const request = get("/v1/models", `${BOB_HEADER}Connection: ${value}\n`);
      expect(await sendRawRequest(request + SMUGGLED)).toMatchObject({
        outcome: "200, closed",
        upstream: [BOB_LIST_REQUEST],
      });
    },
  );

  test.for(["websocket", "h2c", "TLS/1.0"])("answers a client that offers %s", async (protocol) => {
    const offer = `Connection: Upgrade, HTTP2-Settings\nUpgrade: ${protocol}\nHTTP2-Settings: AAMA\n`;
    const { outcome, upstream } = await sendRawRequest(get("/v1/models", BOB_HEADER + offer));
    // Node's parser drops bytes sent after an upgrade offer, so the connection must be closed.
    expect(outcome).toBe(runtime === "node" ? "200, closed" : "200, in sync");
    expect(upstream).toEqual([BOB_LIST_REQUEST]);
  });
});

describe("pipelined requests", () => {
  test("each get their own list, in order: a thousand of two keys", async () => {
    const all = await primedSetup();
    await all.list(BOB);
    const { send, until } = await openConnection(all.keylane.url);
    const keys = Array.from({ length: 1000 }, (_, index) => (index % 2 === 0 ? ALICE : BOB));
    send(keys.map((key, index) => get("/v1/models", `x-api-key: ${key}\nX-Request-Id: n${index}\n`)).join(""));
    const answers = parseAnswers(await until(/x-request-id: n999\r[^]*?\]\}$/i));
    expect(answers.map(({ head }) => /^x-request-id: (\S+)\r?$/im.exec(head)?.[1])).toEqual(
      keys.map((_, index) => `n${index}`),
    );
    const received = answers.map(({ body }) => OLD.filter((id) => body.includes(`"id":"${id}"`)).length);
    expect(received).toEqual(keys.map((key) => (key === ALICE ? OLD.length : 0)));
    const isBobs = answers.map(({ body }) => body.includes('"id":"NousResearch/hermes-4-70b"'));
    expect(isBobs).toEqual(keys.map((key) => key === BOB));
    expect(all.nano.seen).toHaveLength(1);
  });

  test("are each passed through with their own key and body: two keys in one packet", async () => {
    const { keylane } = await primedSetup();
    const { send, until } = await openConnection(keylane.url);
    const sent = Array.from({ length: 100 }, (_, index) => ({
      key: index % 2 === 0 ? ALICE : BOB,
      body: `body ${index}.`,
    }));
    send(sent.map(({ key, body }) => `${withLength("POST /v1/echo", body)}x-api-key: ${key}\n\n${body}`).join(""));
    const answers = parseAnswers(await until(/body 99\./));
    const echoes = answers.map(({ head, body }) => {
      const echoed = Buffer.from(/^x-echo-headers: (\S+)/im.exec(head)?.[1] ?? "", "base64").toString();
      return { keys: [ALICE, BOB].filter((key) => echoed.includes(`"${key}"`)), body };
    });
    expect(echoes).toEqual(sent.map(({ key, body }) => ({ keys: [key], body: expect.stringContaining(body) })));
  });

  test("get their responses in order where the first is slow", async () => {
    const all = await primedSetup();
    const slow = all.nano.hold({ key: BOB });
    const { send, until, received } = await openConnection(all.keylane.url);
    const second = get("/v1/models", `x-api-key: ${ALICE}\nX-Request-Id: second\n`);
    send(get("/v1/models", `${BOB_HEADER}X-Request-Id: first\n`) + second + get("/healthz", "X-Request-Id: third\n"));
    await slow.arrived;
    expect(received()).toBe("");
    slow.release();
    const answers = parseAnswers(await until(/x-request-id: third\r[^]*?"alive"\}/i));
    expect(answers.map(({ head }) => /^x-request-id: (\S+)\r?$/im.exec(head)?.[1])).toEqual([
      "first",
      "second",
      "third",
    ]);
    expect(answers[0]?.body).not.toContain("gpt-4-turbo");
    expect(answers[1]?.body).toContain("gpt-4-turbo");
  });

  test("are parsed correctly where they arrive byte by byte", async () => {
    const all = await primedSetup();
    const { send, until } = await openConnection(all.keylane.url);
    // Without a body, since workerd closes the connection if it responds before a body is complete.
    const two = `${get("/v1/models", BOB_HEADER)}${get("/healthz", "")}`;
    for (const byte of two.replaceAll("\n", "␍␊")) {
      send(byte);
      await new Promise(setImmediate);
    }
    const answers = parseAnswers(await until(/"alive"\}/));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(upstreamRequests(all)).toEqual([BOB_LIST_REQUEST]);
  });
});
