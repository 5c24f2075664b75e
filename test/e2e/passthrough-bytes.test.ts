// Passthrough bodies reach the other side byte for byte, whatever their coding, framing and size.
import { setTimeout as sleep } from "node:timers/promises";
import { brotliCompressSync, deflateSync, gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { runtime } from "../support/keylane.ts";
import { patternBytes } from "../support/nanogpt/bytes.ts";
import { plainCall, headerValues, type PlainCall } from "../support/plain-call.ts";
import { startRawUpstream } from "../support/raw-upstream.ts";
import { ALICE, setup } from "../support/setup.ts";

const onNode = runtime === "node";
const ECHO = "/v1/echo";
const CHAT = "/v1/chat/completions";
const AUTHORIZATION = `Authorization: Bearer ${ALICE}\n`;
const LARGE = 30_000_000;
const encoding = (rawHeaders: readonly string[]) => headerValues(rawHeaders, "content-encoding");

async function plainSetup() {
  const { nano, keylane } = await setup();
  // The same call sent to upstream directly.
  const direct = (path: string, options?: PlainCall) => plainCall(`${nano.url}${path}`, options);
  return { nano, direct, call: (path: string, options?: PlainCall) => plainCall(keylane.url + path, options) };
}

async function* pieces(...parts: (string | Buffer)[]) {
  for (const part of parts) {
    yield Buffer.from(part);
    await sleep(5);
  }
}

/** Compares bytes without printing megabytes. */
function expectSame(received: Buffer, sent: Buffer) {
  expect(received.length).toBe(sent.length);
  expect(received.equals(sent)).toBe(true);
}

describe("a response body arrives as upstream sent it", () => {
  test("in gzip, whether requested or not", async () => {
    const { call, direct } = await plainSetup();
    const body = JSON.stringify({ model: "m", messages: [{ role: "user", content: "grüße" }] });
    for (const accepted of ["Accept-Encoding: gzip", "Accept-Encoding: identity", ""]) {
      const fields = `${AUTHORIZATION}x-standin-gzip: 1\n${accepted}`;
      const answer = await call(CHAT, { method: "POST", fields, body });
      const sent = await direct(CHAT, { method: "POST", fields, body });
      expect(encoding(answer.rawHeaders), accepted).toEqual(["gzip"]);
      expect(headerValues(answer.rawHeaders, "content-length")).toEqual([String(sent.body.length)]);
      expectSame(answer.body, sent.body);
      expect(gunzipSync(answer.body).toString()).toContain("grüße");
    }
  });

  test.for([
    { coding: "gzip", body: gzipSync("x".repeat(9_999)) },
    { coding: "br", body: brotliCompressSync("x".repeat(9_999)) },
    { coding: "deflate", body: deflateSync("x".repeat(9_999)) },
    { coding: "zstd", body: patternBytes(1_000) },
    { coding: "foo", body: patternBytes(1_000) },
    { coding: "gzip, br", body: brotliCompressSync(gzipSync("x")) },
    { coding: "identity", body: patternBytes(1_000) },
    // A body in another coding than declared: for the client to detect.
    { coding: "gzip", body: patternBytes(1_000) },
    { coding: "br", body: gzipSync("x".repeat(9_999)) },
  ])("with Content-Encoding: $coding", async ({ coding, body }) => {
    const { url } = await startRawUpstream((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Encoding: ${coding}\r\nContent-Length: ${body.length}\r\n\r\n`);
      socket.end(body);
    });
    const { keylane } = await setup({ PASSTHROUGH_URL: url });
    const answer = await plainCall(keylane.url + ECHO, { fields: "Accept-Encoding: identity" });
    expect(encoding(answer.rawHeaders)).toEqual([coding]);
    expectSame(answer.body, body);
  });

  test("as an event stream, comments included", async () => {
    const { call, direct } = await plainSetup();
    const body = JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content: "größe" }] });
    for (const path of [CHAT, "/v1/messages", "/v1/responses"]) {
      for (const fields of [AUTHORIZATION, `${AUTHORIZATION}x-standin-gzip: 1`]) {
        const options = { method: "POST", fields, body };
        const [answer, sent] = [await call(path, options), await direct(path, options)];
        expect(headerValues(answer.rawHeaders, "content-type")).toEqual(["text/event-stream; charset=utf-8"]);
        expect(encoding(answer.rawHeaders)).toEqual(encoding(sent.rawHeaders));
        expect(answer.isComplete).toBe(true);
        // Compressed bytes depend on when upstream flushes.
        const isGzip = encoding(sent.rawHeaders).length > 0;
        const decode = isGzip ? gunzipSync : (bytes: Buffer) => bytes;
        expectSame(decode(answer.body), decode(sent.body));
      }
    }
    expect((await call(CHAT, { method: "POST", fields: AUTHORIZATION, body })).text).toContain("\n: keep-alive\n\n");
  });

  test("with 30 MB, and with 2 MB of gzip", async () => {
    const { call } = await plainSetup();
    const bytes = patternBytes(LARGE);
    const plain = await call(`/v1/bytes?n=${LARGE}`);
    expect(headerValues(plain.rawHeaders, "content-length")).toEqual([String(LARGE)]);
    expectSame(plain.body, bytes);
    const gzipped = await call("/v1/bytes?n=2000000&gzip=1");
    expect(encoding(gzipped.rawHeaders)).toEqual(["gzip"]);
    expectSame(gunzipSync(gzipped.body), bytes.subarray(0, 2_000_000));
  });

  test("when it is empty: HEAD, 204 and 304", async () => {
    const { nano, call } = await plainSetup();
    const head = await call("/v1/bytes?n=12345", { method: "HEAD" });
    expect(head).toMatchObject({ status: 404, body: Buffer.alloc(0), isComplete: true });
    nano.fail({ kind: "no-content" }, { path: ECHO, times: 1 });
    expect(await call(ECHO)).toMatchObject({ status: 204, body: Buffer.alloc(0), isComplete: true });
    nano.fail({ kind: "status", status: 304, headers: { etag: '"x"' } }, { path: ECHO, times: 1 });
    const notModified = await call(ECHO, { fields: 'If-None-Match: "x"' });
    expect(notModified).toMatchObject({ status: 304, body: Buffer.alloc(0), isComplete: true });
    expect(headerValues(notModified.rawHeaders, "etag")).toEqual(['"x"']);
  });

  test("when HEAD announces the length of the GET response", async () => {
    const { url } = await startRawUpstream("HTTP/1.1 200 OK\nContent-Length: 12345\nContent-Encoding: gzip\n\n");
    const { keylane } = await setup({ PASSTHROUGH_URL: url });
    const { rawHeaders, body } = await plainCall(keylane.url + ECHO, { method: "HEAD" });
    expect(headerValues(rawHeaders, "content-length")).toEqual(["12345"]);
    expect(encoding(rawHeaders)).toEqual(["gzip"]);
    expect(body).toHaveLength(0);
  });
});

describe("a request body arrives as the client sent it", () => {
  const text = JSON.stringify({ model: "m", messages: [{ role: "user", content: "grüße " + "x".repeat(5000) }] });
  test.for([
    { coding: "gzip", body: gzipSync(text) },
    { coding: "deflate", body: deflateSync(text) },
    { coding: "br", body: brotliCompressSync(text) },
  ])("compressed with $coding", async ({ coding, body }) => {
    const { nano, call } = await plainSetup();
    const fields = `${AUTHORIZATION}Content-Type: application/json\nContent-Encoding: ${coding}`;
    const answer = await call(CHAT, { method: "POST", fields, body });
    expect(answer.text).toContain("grüße");
    expect(nano.seen[0]?.headers).toMatchObject({
      "content-encoding": coding,
      "content-length": String(body.length),
      "content-type": "application/json",
    });
    expectSame(nano.seen[0]?.body ?? Buffer.alloc(0), body);
  });

  test("as a multipart form with a file", async () => {
    const { nano, call } = await plainSetup();
    const audio = patternBytes(300_000);
    const open = '--b\r\nContent-Disposition: form-data; name="file"; filename="\u00e9.wav"\r\n\r\n';
    const body = Buffer.concat([Buffer.from(open), audio, Buffer.from("\r\n--b--\r\n")]);
    const fields = `${AUTHORIZATION}Content-Type: multipart/form-data; boundary=b`;
    const { text } = await call("/v1/audio/transcriptions", { method: "POST", fields, body });
    expect(JSON.parse(text).bytes).toBe(body.length);
    expectSame(nano.seen[0]?.body ?? Buffer.alloc(0), body);
  });

  test("in chunks, without Content-Length", async () => {
    const { nano, call } = await plainSetup();
    const answer = await call(ECHO, { method: "POST", body: pieces("one ", "two ", patternBytes(100_000)) });
    expect(nano.seen[0]?.headers).toMatchObject({ "transfer-encoding": "chunked" });
    expect(nano.seen[0]?.headers).not.toHaveProperty("content-length");
    expectSame(answer.body, Buffer.concat([Buffer.from("one two "), patternBytes(100_000)]));
  });

  test("with 30 MB, which upstream echoes at once", async () => {
    const { call } = await plainSetup();
    const bytes = patternBytes(LARGE);
    expectSame((await call(ECHO, { method: "PUT", body: bytes })).body, bytes);
  });

  test("with a DELETE that has one, and with Content-Length: 0", async () => {
    const { nano, call } = await plainSetup();
    expect((await call(ECHO, { method: "DELETE", body: "with" })).text).toBe("with");
    for (const method of ["POST", "GET", "HEAD"]) {
      expect((await call(ECHO, { method, fields: "Content-Length: 0" })).status, method).toBe(200);
      expect(nano.seen.at(-1)?.headers["content-length"] ?? "0").toBe("0");
    }
  });

  test("with a GET on Node; a Worker cannot send it and answers 400", async () => {
    const { nano, call } = await plainSetup();
    const { status, text } = await call(ECHO, { method: "GET", body: "with" });
    expect({ status, sent: nano.seen.length }).toEqual(onNode ? { status: 200, sent: 1 } : { status: 400, sent: 0 });
    expect(text).toContain(onNode ? "with" : "body");
  });
});
