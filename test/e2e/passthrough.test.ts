import { describe, expect, test } from "vitest";
import { runtime } from "../support/keylane.ts";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { linesOf, namesOf, plainCall, valuesOf, type PlainCall } from "../support/plain-call.ts";
import { ALICE, scene } from "../support/setup.ts";

const ECHO = "/v1/echo";
const onNode = runtime === "node";
// A Worker's GET would read through the zone's cache; to be spared that costs two fields.
const ADDED_TO_GET = onNode ? [] : ["cache-control", "pragma"];
const AUTHORIZATION = `Authorization: Bearer ${ALICE}`;

/** A scene whose calls choose every header line, and what upstream saw of the last of them. */
async function plainScene(settings: Record<string, string> = {}) {
  const { nano, keylane } = await scene(settings);
  const call = (path: string, options?: PlainCall) => plainCall(keylane.url + path, options);
  const last = () => {
    const seen = nano.seen.at(-1);
    if (seen === undefined) throw new Error("Nothing has reached upstream");
    const names = namesOf(seen.rawHeaders).filter((name) => name !== "connection");
    return { ...seen, rawHeaders: seen.rawHeaders, names };
  };
  return { nano, call, last };
}

async function* chunks(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text);
}

describe("a passthrough call goes up", () => {
  test("with the method it came with", async () => {
    const { call, last } = await plainScene();
    for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE", "REPORT"]) {
      expect((await call(ECHO, { method })).status, method).toBe(200);
      expect(last().method).toBe(method);
    }
  });

  test("with path and query untouched, escapes and doubled slashes included", async () => {
    const { call, last } = await plainScene();
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

  test("with characters that no URL may hold, on Node; a Worker escapes or refuses them", async () => {
    const { nano, call, last } = await plainScene();
    await call("/v1/echo/a^{}?'");
    expect(last().target).toBe(onNode ? "/api/v1/echo/a^{}?'" : "/api/v1/echo/a%5E%7B%7D?%27");
    expect((await call("/v1/echo/<x>")).status).toBe(onNode ? 200 : 400);
    expect(nano.seen).toHaveLength(onNode ? 2 : 1);
  });

  test("with its header fields as they came, NanoGPT's odd ones and repeated ones included", async () => {
    const { call, last } = await plainScene();
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
    const lines = linesOf(fields);
    if (onNode) {
      const own = new Set(["host", "connection"]);
      const came = rawHeaders.filter((_, i) => !own.has(rawHeaders[i - (i % 2)] ?? ""));
      expect(came).toEqual([...lines, "Via", "1.1 keylane"]);
    }
    // A Worker cannot see the case of names, nor which values came in a line of their own.
    for (const name of namesOf(lines)) {
      const sent = valuesOf(lines, name).join(", ");
      expect(valuesOf(rawHeaders, name).join(", "), name).toBe(
        name === "via" ? `${sent}, 1.1 keylane` : sent,
      );
    }
  });

  test("with the bytes of a value that is not UTF-8, on Node", async () => {
    const { call, last } = await plainScene();
    await call(ECHO, { fields: "X-Latin: caf\u00e9" });
    // workerd reads values as UTF-8.
    expect(last().headers["x-latin"]).toBe(onNode ? "caf\u00e9" : "caf\u00ef\u00bf\u00bd");
  });

  test("with nothing added but Via and what the connection needs", async () => {
    const { call, last } = await plainScene();
    await call(ECHO, { fields: "X-Mine: 1" });
    expect(last().names).toEqual([...ADDED_TO_GET, "host", "via", "x-mine"].sort());
    expect(last().headers.via).toBe("1.1 keylane");
    await call(ECHO, { method: "POST", body: "{}" });
    expect(last().names).toEqual(["content-length", "host", "via"]);
  });

  test("without what belongs to the connection, a browser's cookies, or is answered here", async () => {
    const { nano, call, last } = await plainScene();
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
      Cookie: neighbour=1
      Host: keylane.example`;
    const answer = await call(ECHO, { method: "POST", fields, body: chunks("in chunks") });
    expect(answer.text).toBe("in chunks");
    expect(last().names).toEqual(["authorization", "host", "transfer-encoding", "via", "x-api-key"]);
    expect(last().headers.connection ?? "keep-alive").toBe("keep-alive");
    expect(nano.url).toContain(`//${last().headers.host}/`);
  });

  test("to PASSTHROUGH_URL, while lists are asked for at UPSTREAM_URL", async () => {
    const other = await startNanoGpt({ accounts: [{ key: ALICE }] });
    const { nano, call } = await plainScene({ PASSTHROUGH_URL: `${other.origin}/api/` });
    expect((await call("/v1/models", { fields: AUTHORIZATION })).status).toBe(200);
    expect((await call(ECHO, { fields: AUTHORIZATION })).status).toBe(200);
    expect(nano.seen.map(({ target }) => target)).toEqual(["/api/personalized/v1/models"]);
    expect(other.seen.map(({ target }) => target)).toEqual(["/api/v1/echo"]);
    await other.stop();
  });

  test("without a key, as payments by x402 begin", async () => {
    const { call } = await plainScene();
    const chat = { method: "POST", fields: "x-x402: true", body: '{"model":"m"}' };
    const unpaid = await call("/v1/chat/completions", chat);
    expect(unpaid.status).toBe(402);
    expect(JSON.parse(unpaid.text)).toMatchObject({ x402Version: 1, paymentId: "standin-quote-1" });
  });

  test("when it deletes a model, OpenAI's own call", async () => {
    const { call, last } = await plainScene();
    const deleted = await call("/v1/models/ft%3Aa%2Fb", { method: "DELETE", fields: AUTHORIZATION });
    expect(JSON.parse(deleted.text)).toEqual({ id: "ft:a/b", object: "model", deleted: true });
    expect(last()).toMatchObject({ method: "DELETE", target: "/api/v1/models/ft%3Aa%2Fb" });
  });
});

describe("a call that cannot pass through", () => {
  test("is answered 501 when it asks for an upgrade", async () => {
    const { nano, call } = await plainScene();
    const socket = "Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    const fields = `Connection: Upgrade\nUpgrade: websocket\n${socket}`;
    const refused = await call("/v1/realtime", { fields });
    expect(refused.status).toBe(501);
    expect(JSON.parse(refused.text).error).toMatchObject({ code: "upgrade_not_supported", param: null });
    expect(nano.seen).toHaveLength(0);
  });

  test("is not one that offers HTTP/2: the offer is declined by leaving it alone", async () => {
    const { call, last } = await plainScene();
    const offer = "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABk";
    expect((await call(ECHO, { fields: offer })).status).toBe(200);
    expect(last().names).toEqual([...ADDED_TO_GET, "host", "via"].sort());
  });

  test("is answered 405 when it is a TRACE, which would send the key back", async () => {
    const { nano, call } = await plainScene();
    const refused = await call(ECHO, { method: "TRACE", fields: AUTHORIZATION });
    expect(refused.status).toBe(405);
    expect(valuesOf(refused.lines, "allow")[0]).toContain("POST");
    expect(refused.text).not.toContain(ALICE);
    expect(nano.seen).toHaveLength(0);
  });
});
