// A passthrough call reaches upstream as the client sent it, without hop-by-hop fields and cookies.
import { describe, expect, test } from "vitest";
import { runtime } from "../support/keylane.ts";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { parseRawHeaders, headerNames, plainCall, headerValues, type PlainCall } from "../support/plain-call.ts";
import { ALICE, setup } from "../support/setup.ts";

const ECHO = "/v1/echo";
const onNode = runtime === "node";
// fetch in a Worker sends these two fields with GET so that the zone's cache is bypassed.
const ADDED_TO_GET = onNode ? [] : ["cache-control", "pragma"];
const AUTHORIZATION = `Authorization: Bearer ${ALICE}`;

/** A setup whose calls give every header line; `last` is the last request that upstream received. */
async function plainSetup(settings: Record<string, string> = {}) {
  const { nano, keylane } = await setup(settings);
  const call = (path: string, options?: PlainCall) => plainCall(keylane.url + path, options);
  const last = () => {
    const seen = nano.seen.at(-1);
    if (seen === undefined) throw new Error("No request has reached upstream");
    const names = headerNames(seen.rawHeaders).filter((name) => name !== "connection");
    return { ...seen, rawHeaders: seen.rawHeaders, names };
  };
  return { nano, call, last };
}

async function* chunks(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text);
}

describe("a passthrough call reaches upstream", () => {
  test("with its method", async () => {
    const { call, last } = await plainSetup();
    for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE", "REPORT"]) {
      expect((await call(ECHO, { method })).status, method).toBe(200);
      expect(last().method).toBe(method);
    }
  });

  test("with path and query unchanged, including escapes and double slashes", async () => {
    const { call, last } = await plainSetup();
    const targets = [
      "/v1/echo/a%2Fb%3Ac%20d//e/?x=%20&y=a+b&&z=%2f&q=?&e=",
      "/v1/echo/%7Euser/(a)!*,;=:@$&?a[]=1&b=c:/d",
      "/v1/echo/%c3%BC?",
      "/v1/echo?detailed=true&user=x&limit=2",
      "/v1/echo/x.y/..z/.w/...?../..&%2e%2e/",
      "/v1/echo/-._~!$&()*+,;=:@'|[]?-._~!$&()*+,;=:@/?|[]^`{}",
    ];
    for (const target of targets) {
      await call(target);
      expect(last().target).toBe(`/api${target}`);
      await call(`/api${target}`);
      expect(last().target).toBe(`/api${target}`);
    }
  });

  test("with characters that are invalid in a URL on Node; a Worker escapes or rejects them", async () => {
    const { nano, call, last } = await plainSetup();
    await call("/v1/echo/a^{}?'");
    expect(last().target).toBe(onNode ? "/api/v1/echo/a^{}?'" : "/api/v1/echo/a%5E%7B%7D?%27");
    expect((await call("/v1/echo/<x>")).status).toBe(onNode ? 200 : 400);
    expect(nano.seen).toHaveLength(onNode ? 2 : 1);
  });

  test("with its header fields unchanged, including NanoGPT's own and repeated ones", async () => {
    const { call, last } = await plainSetup();
    const fields = `${AUTHORIZATION}
      memory_expiration_days: 30
      memory: true
      redaction: on
      moderation: off
      X-Provider: a; b
      x-team-id: one
      X-Team-Id: two
      X-Billing-Mode: paygo
      x-encryption-key: Zm9v==
      X-PAYMENT: {"a":1}
      x-x402: true
      Accept: text/event-stream
      Accept-Encoding: zstd;q=1, foo
      User-Agent: tool/1
      Origin: https://app.example
      X-Request-Id: abc
      X-Empty:
      X-Utf: caf\u00c3\u00a9
      If-None-Match: W/"x"
      Range: bytes=0-1
      Cache-Control: max-age=3
      X-Forwarded-For: 192.0.2.7
      Via: 1.0 before`;
    await call(ECHO, { fields });
    const { rawHeaders } = last();
    const lines = parseRawHeaders(fields);
    if (onNode) {
      const own = new Set(["host", "connection"]);
      const received = rawHeaders.filter((_, i) => !own.has(rawHeaders[i - (i % 2)] ?? ""));
      expect(received).toEqual([...lines, "Via", "1.1 keylane"]);
    }
    // A Worker cannot see the case of names, nor how values were split into lines.
    for (const name of headerNames(lines)) {
      const sent = headerValues(lines, name).join(", ");
      expect(headerValues(rawHeaders, name).join(", "), name).toBe(name === "via" ? `${sent}, 1.1 keylane` : sent);
    }
  });

  test("with a value that is not UTF-8 unchanged on Node", async () => {
    const { call, last } = await plainSetup();
    await call(ECHO, { fields: "X-Latin: caf\u00e9" });
    // workerd decodes values as UTF-8.
    expect(last().headers["x-latin"]).toBe(onNode ? "caf\u00e9" : "caf\u00ef\u00bf\u00bd");
  });

  test("with nothing added except Via and framing fields", async () => {
    const { call, last } = await plainSetup();
    await call(ECHO, { fields: "X-Mine: 1" });
    expect(last().names).toEqual([...ADDED_TO_GET, "host", "via", "x-mine"].sort());
    expect(last().headers.via).toBe("1.1 keylane");
    await call(ECHO, { method: "POST", body: "{}" });
    expect(last().names).toEqual(["content-length", "host", "via"]);
  });

  test("without hop-by-hop fields, cookies and Expect", async () => {
    const { nano, call, last } = await plainSetup();
    const fields = `${AUTHORIZATION}
      Connection: keep-alive, X-Hop
      connection: x-other , X-API-Key
      Connection: authorization
      X-Hop: 1
      x-OTHER: 2
      X-Api-Key: ${ALICE}
      Keep-Alive: timeout=5
      Proxy-Authorization: Basic eA==
      Proxy-Connection: keep-alive
      TE: trailers
      Trailer: X-Sum
      Expect: 100-continue
      Cookie: other=1
      Host: keylane.example`;
    const answer = await call(ECHO, { method: "POST", fields, body: chunks("in chunks") });
    expect(answer.text).toBe("in chunks");
    expect(last().names).toEqual(["authorization", "host", "transfer-encoding", "via", "x-api-key"]);
    expect(last().headers.connection ?? "keep-alive").toBe("keep-alive");
    expect(nano.url).toContain(`//${last().headers.host}/`);
  });

  test("at PASSTHROUGH_URL, while lists are fetched from UPSTREAM_URL", async () => {
    const other = await startNanoGpt({ accounts: [{ key: ALICE }] });
    const { nano, call } = await plainSetup({ PASSTHROUGH_URL: `${other.origin}/api/` });
    expect((await call("/v1/models", { fields: AUTHORIZATION })).status).toBe(200);
    expect((await call(ECHO, { fields: AUTHORIZATION })).status).toBe(200);
    expect(nano.seen.map(({ target }) => target)).toEqual(["/api/personalized/v1/models"]);
    expect(other.seen.map(({ target }) => target)).toEqual(["/api/v1/echo"]);
    await other.stop();
  });

  test("without a key, as x402 payments start", async () => {
    const { call } = await plainSetup();
    const chat = { method: "POST", fields: "x-x402: true", body: '{"model":"m"}' };
    const unpaid = await call("/v1/chat/completions", chat);
    expect(unpaid.status).toBe(402);
    expect(JSON.parse(unpaid.text)).toMatchObject({ x402Version: 1, paymentId: "standin-quote-1" });
  });

  test("when it is OpenAI's call to delete a model", async () => {
    const { call, last } = await plainSetup();
    const deleted = await call("/v1/models/ft%3Aa%2Fb", { method: "DELETE", fields: AUTHORIZATION });
    expect(JSON.parse(deleted.text)).toEqual({ id: "ft:a/b", object: "model", deleted: true });
    expect(last()).toMatchObject({ method: "DELETE", target: "/api/v1/models/ft%3Aa%2Fb" });
  });
});

describe("a call that cannot be passed through", () => {
  test("gets 501 when it requests an upgrade", async () => {
    const { nano, call } = await plainSetup();
    const socket = "Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    const fields = `Connection: Upgrade\nUpgrade: websocket\n${socket}`;
    const answer = await call("/v1/realtime", { fields });
    expect(answer.status).toBe(501);
    expect(JSON.parse(answer.text).error).toMatchObject({ code: "upgrade_not_supported", param: null });
    expect(nano.seen).toHaveLength(0);
  });

  test("does not include an offer of HTTP/2, which is ignored", async () => {
    const { call, last } = await plainSetup();
    const offer = "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABk";
    expect((await call(ECHO, { fields: offer })).status).toBe(200);
    expect(last().names).toEqual([...ADDED_TO_GET, "host", "via"].sort());
  });

  test("gets 405 when it is a TRACE, which would echo the key", async () => {
    const { nano, call } = await plainSetup();
    const answer = await call(ECHO, { method: "TRACE", fields: AUTHORIZATION });
    expect(answer.status).toBe(405);
    expect(headerValues(answer.rawHeaders, "allow")[0]).toContain("POST");
    expect(answer.text).not.toContain(ALICE);
    expect(nano.seen).toHaveLength(0);
  });
});
