import { setTimeout as sleep } from "node:timers/promises";
import { brotliCompressSync, deflateSync, gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { runtime } from "../support/keylane.ts";
import { patternBytes } from "../support/nanogpt/bytes.ts";
import { plainCall, valuesOf, type PlainCall } from "../support/plain-call.ts";
import { rawUpstream } from "../support/raw-upstream.ts";
import { ALICE, scene } from "../support/setup.ts";

const onNode = runtime === "node";
const ECHO = "/v1/echo";
const CHAT = "/v1/chat/completions";
const AUTHORIZATION = `Authorization: Bearer ${ALICE}\n`;
const MANY = 30_000_000;
const encoding = (lines: readonly string[]) => valuesOf(lines, "content-encoding");

async function plainScene() {
  const { nano, keylane } = await scene();
  // What upstream says to the same call without Keylane in between.
  const direct = (path: string, options?: PlainCall) => plainCall(`${nano.url}${path}`, options);
  return {
    nano,
    direct,
    call: (path: string, options?: PlainCall) => plainCall(keylane.url + path, options),
  };
}

async function* pieces(...parts: (string | Buffer)[]) {
  for (const part of parts) {
    yield Buffer.from(part);
    await sleep(5);
  }
}

/** Compares by bytes without printing megabytes. */
function expectSame(came: Buffer, sent: Buffer) {
  expect(came.length).toBe(sent.length);
  expect(came.equals(sent)).toBe(true);
}

describe("the bytes of an answer are those that upstream sent", () => {
  test("when it is gzip, asked for or not", async () => {
    const { call, direct } = await plainScene();
    const body = JSON.stringify({ model: "m", messages: [{ role: "user", content: "grüße" }] });
    for (const accepted of ["Accept-Encoding: gzip", "Accept-Encoding: identity", ""]) {
      const fields = `${AUTHORIZATION}x-standin-gzip: 1\n${accepted}`;
      const answer = await call(CHAT, { method: "POST", fields, body });
      const sent = await direct(CHAT, { method: "POST", fields, body });
      expect(encoding(answer.lines), accepted).toEqual(["gzip"]);
      expect(valuesOf(answer.lines, "content-length")).toEqual([String(sent.body.length)]);
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
    // Said to be what they are not: that is for the caller to find.
    { coding: "gzip", body: patternBytes(1_000) },
    { coding: "br", body: gzipSync("x".repeat(9_999)) },
  ])("when their coding is said to be $coding", async ({ coding, body }) => {
    const { url } = await rawUpstream((socket) => {
      socket.write(
        `HTTP/1.1 200 OK\r\nContent-Encoding: ${coding}\r\nContent-Length: ${body.length}\r\n\r\n`,
      );
      socket.end(body);
    });
    const { keylane } = await scene({ PASSTHROUGH_URL: url });
    const answer = await plainCall(keylane.url + ECHO, { fields: "Accept-Encoding: identity" });
    expect(encoding(answer.lines)).toEqual([coding]);
    expectSame(answer.body, body);
  });

  test("when they are a stream of events, comments and all", async () => {
    const { call, direct } = await plainScene();
    const body = JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content: "größe" }] });
    for (const path of [CHAT, "/v1/messages", "/v1/responses"]) {
      for (const fields of [AUTHORIZATION, `${AUTHORIZATION}x-standin-gzip: 1`]) {
        const options = { method: "POST", fields, body };
        const [answer, sent] = [await call(path, options), await direct(path, options)];
        expect(valuesOf(answer.lines, "content-type")).toEqual(["text/event-stream; charset=utf-8"]);
        expect(encoding(answer.lines)).toEqual(encoding(sent.lines));
        expect(answer.isWhole).toBe(true);
        // Compressed bytes depend on the moments of the flushes.
        const isZipped = encoding(sent.lines).length > 0;
        const read = isZipped ? gunzipSync : (bytes: Buffer) => bytes;
        expectSame(read(answer.body), read(sent.body));
      }
    }
    expect((await call(CHAT, { method: "POST", fields: AUTHORIZATION, body })).text).toContain(
      "\n: keep-alive\n\n",
    );
  });

  test("when they are many, plain or gzip", async () => {
    const { call } = await plainScene();
    const bytes = patternBytes(MANY);
    const plain = await call(`/v1/bytes?n=${MANY}`);
    expect(valuesOf(plain.lines, "content-length")).toEqual([String(MANY)]);
    expectSame(plain.body, bytes);
    const zipped = await call("/v1/bytes?n=2000000&gzip=1");
    expect(encoding(zipped.lines)).toEqual(["gzip"]);
    expectSame(gunzipSync(zipped.body), bytes.subarray(0, 2_000_000));
  });

  test("when there are none: HEAD, 204 and 304", async () => {
    const { nano, call } = await plainScene();
    const head = await call("/v1/bytes?n=12345", { method: "HEAD" });
    expect(head).toMatchObject({ status: 404, body: Buffer.alloc(0), isWhole: true });
    nano.fail({ kind: "no-content" }, { path: ECHO, times: 1 });
    expect(await call(ECHO)).toMatchObject({ status: 204, body: Buffer.alloc(0), isWhole: true });
    nano.fail({ kind: "status", status: 304, headers: { etag: '"x"' } }, { path: ECHO, times: 1 });
    const notModified = await call(ECHO, { fields: 'If-None-Match: "x"' });
    expect(notModified).toMatchObject({ status: 304, body: Buffer.alloc(0), isWhole: true });
    expect(valuesOf(notModified.lines, "etag")).toEqual(['"x"']);
  });

  test("when HEAD tells the length of what GET would give", async () => {
    const { url } = await rawUpstream("HTTP/1.1 200 OK\nContent-Length: 12345\nContent-Encoding: gzip\n\n");
    const { keylane } = await scene({ PASSTHROUGH_URL: url });
    const { lines, body } = await plainCall(keylane.url + ECHO, { method: "HEAD" });
    expect(valuesOf(lines, "content-length")).toEqual(["12345"]);
    expect(encoding(lines)).toEqual(["gzip"]);
    expect(body).toHaveLength(0);
  });
});

describe("the bytes of a request body are those that upstream receives", () => {
  const text = JSON.stringify({
    model: "m",
    messages: [{ role: "user", content: "grüße " + "x".repeat(5000) }],
  });
  test.for([
    { coding: "gzip", body: gzipSync(text) },
    { coding: "deflate", body: deflateSync(text) },
    { coding: "br", body: brotliCompressSync(text) },
  ])("when they are compressed with $coding", async ({ coding, body }) => {
    const { nano, call } = await plainScene();
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

  test("when they are a form with a file", async () => {
    const { nano, call } = await plainScene();
    const sound = patternBytes(300_000);
    const open = '--b\r\nContent-Disposition: form-data; name="file"; filename="\u00e9.wav"\r\n\r\n';
    const body = Buffer.concat([Buffer.from(open), sound, Buffer.from("\r\n--b--\r\n")]);
    const fields = `${AUTHORIZATION}Content-Type: multipart/form-data; boundary=b`;
    const { text } = await call("/v1/audio/transcriptions", { method: "POST", fields, body });
    expect(JSON.parse(text).bytes).toBe(body.length);
    expectSame(nano.seen[0]?.body ?? Buffer.alloc(0), body);
  });

  test("when they come in chunks, without a length", async () => {
    const { nano, call } = await plainScene();
    const answer = await call(ECHO, { method: "POST", body: pieces("one ", "two ", patternBytes(100_000)) });
    expect(nano.seen[0]?.headers).toMatchObject({ "transfer-encoding": "chunked" });
    expect(nano.seen[0]?.headers).not.toHaveProperty("content-length");
    expectSame(answer.body, Buffer.concat([Buffer.from("one two "), patternBytes(100_000)]));
  });

  test("when they are many, and come back at once", async () => {
    const { call } = await plainScene();
    const bytes = patternBytes(MANY);
    expectSame((await call(ECHO, { method: "PUT", body: bytes })).body, bytes);
  });

  test("when a DELETE has them, a POST has none, and a GET says so", async () => {
    const { nano, call } = await plainScene();
    expect((await call(ECHO, { method: "DELETE", body: "with" })).text).toBe("with");
    for (const method of ["POST", "GET", "HEAD"]) {
      expect((await call(ECHO, { method, fields: "Content-Length: 0" })).status, method).toBe(200);
      expect(nano.seen.at(-1)?.headers["content-length"] ?? "0").toBe("0");
    }
  });

  test("when a GET has them, on Node; a Worker cannot send them, and says so", async () => {
    const { nano, call } = await plainScene();
    const { status, text } = await call(ECHO, { method: "GET", body: "with" });
    expect({ status, sent: nano.seen.length }).toEqual(
      onNode ? { status: 200, sent: 1 } : { status: 400, sent: 0 },
    );
    expect(text).toContain(onNode ? "with" : "body");
  });
});
