// With COMPRESS_UPLOADS, long JSON bodies of three calls go up as gzip; all other bodies are forwarded unchanged.
import type { IncomingHttpHeaders } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { openConnection } from "../support/connection.ts";
import { startCall, plainCall, type PlainCall } from "../support/plain-call.ts";
import { startRawUpstream } from "../support/raw-upstream.ts";
import { ALICE, setup } from "../support/setup.ts";

const CHAT = "/v1/chat/completions";
const FIELDS = `Authorization: Bearer ${ALICE}\nContent-Type: application/json\n`;
const KB = 1024;
const noHeaders: IncomingHttpHeaders = {};

const text = (content: string) => JSON.stringify({ model: "m", input: content, messages: [{ role: "user", content }] });

/** A chat request of exactly `bytes` bytes. */
function chat(bytes: number): string {
  const padding = bytes - text("").length;
  return text("a".repeat(padding >> 1)) + " ".repeat(padding % 2);
}

async function* streamOf(...chunks: string[]) {
  for (const chunk of chunks) {
    yield Buffer.from(chunk);
    await sleep(5);
  }
}

async function* endless() {
  yield Buffer.from(chat(20 * KB));
  await new Promise(() => {});
}

async function uploadSetup(settings: Record<string, string> = { COMPRESS_UPLOADS: "true" }) {
  const { nano, keylane } = await setup(settings);
  /** Makes a call; `body`, `headers` and `coding` are those that upstream received. */
  const upload = async (path: string, call: PlainCall) => {
    const { status, text } = await plainCall(keylane.url + path, { method: "POST", fields: FIELDS, ...call });
    const { body, headers } = nano.seen.at(-1) ?? { body: Buffer.alloc(0), headers: noHeaders };
    return { status, text, body, headers, coding: headers["content-encoding"] };
  };
  return { nano, keylane, upload };
}

describe("with COMPRESS_UPLOADS a long JSON body", () => {
  test.for([
    CHAT,
    "/api/v1/chat/completions",
    "/v1legacy/chat/completions",
    "/api/v1thinking/chat/completions?a=1",
    "/subscription/v1/responses",
    "/basic/v1/messages",
    "/v1/messages",
    "/responses",
  ])("goes up as gzip: %s", async (path) => {
    const { upload } = await uploadSetup();
    const body = chat(300 * KB);
    const { coding, headers, body: received } = await upload(path, { body });
    expect(coding).toBe("gzip");
    expect(headers).toMatchObject({ "transfer-encoding": "chunked", "content-type": "application/json" });
    expect(headers).not.toHaveProperty("content-length");
    expect(gunzipSync(received).equals(Buffer.from(body))).toBe(true);
    expect(received.length).toBeLessThan(body.length / 5);
  });

  test("gets the usual response", async () => {
    const { upload } = await uploadSetup();
    const { status, text } = await upload(CHAT, { body: chat(300 * KB) });
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ object: "chat.completion" });
  });

  test("is one of more than 16 KiB, with a Content-Length or without", async () => {
    const { upload } = await uploadSetup();
    for (const [bytes, coding] of [
      [16 * KB, undefined],
      [16 * KB + 1, "gzip"],
    ] as const) {
      const body = chat(bytes);
      const withLength = await upload(CHAT, { body });
      expect(withLength.coding).toBe(coding);
      expect(withLength.headers["content-length"]).toBe(coding === undefined ? String(bytes) : undefined);
      const chunked = await upload(CHAT, { body: streamOf(body.slice(0, 9000), body.slice(9000)) });
      expect(chunked.coding).toBe(coding);
      for (const { body: received } of [withLength, chunked])
        expect((coding === undefined ? received : gunzipSync(received)).toString()).toBe(body);
    }
  });

  test("is limited by MAX_BODY_SIZE before compression", async () => {
    const { upload } = await uploadSetup({ COMPRESS_UPLOADS: "true", MAX_BODY_SIZE: "100KB" });
    expect(await upload(CHAT, { body: chat(100 * KB) })).toMatchObject({ status: 200, coding: "gzip" });
    expect(await upload(CHAT, { body: chat(101 * KB) })).toMatchObject({ status: 413 });
    expect(await upload(CHAT, { body: streamOf(chat(60 * KB), chat(60 * KB)) })).toMatchObject({ status: 413 });
    const small = await uploadSetup({ COMPRESS_UPLOADS: "true", MAX_BODY_SIZE: "2KB" });
    expect(await small.upload(CHAT, { body: streamOf(chat(2 * KB), chat(2 * KB)) })).toMatchObject({ status: 413 });
  });

  test("is forwarded as it arrives, however slowly", async () => {
    const { keylane, nano } = await uploadSetup();
    const half = chat(40 * KB);
    const rest = Promise.withResolvers<void>();
    async function* slowly() {
      yield Buffer.from(half);
      await rest.promise;
      yield Buffer.from(" ");
    }
    const outgoing = startCall(keylane.url + CHAT, { method: "POST", fields: FIELDS, body: slowly() });
    const decoded = () => gunzipSync(nano.seen[0]?.body ?? Buffer.alloc(0), { finishFlush: 2 }).toString();
    await expect.poll(() => nano.seen.length && decoded()).toBe(half);
    rest.resolve();
    await new Promise((resolve) => outgoing.once("response", resolve));
    expect(gunzipSync(nano.seen[0]?.body ?? Buffer.alloc(0)).toString()).toBe(`${half} `);
    outgoing.destroy();
  });

  test.for(["before it is long enough", "after"])("never looks complete if it is broken off: %s", async (when) => {
    const { url, received } = await startRawUpstream(() => {});
    const { keylane } = await uploadSetup({ COMPRESS_UPLOADS: "true", PASSTHROUGH_URL: url });
    const { send, ended } = await openConnection(keylane.url);
    const chunk = chat(when === "after" ? 20 * KB : 2 * KB);
    send(`POST ${CHAT} HTTP/1.1\nHost: a\n${FIELDS}Transfer-Encoding: chunked\n\n`);
    send(`${chunk.length.toString(16)}\n${chunk}\n`);
    if (when === "after") await expect.poll(() => received.join("")).toMatch(/Content-Encoding: gzip/);
    // An invalid chunk ends the request.
    send("zz\n");
    await ended;
    await sleep(100);
    expect(received.join("")).not.toMatch(/\r\n0\r\n\r\n$/);
  });

  test("is aborted upstream as soon as its client disconnects", async () => {
    const { keylane, nano } = await uploadSetup();
    const outgoing = startCall(keylane.url + CHAT, { method: "POST", fields: FIELDS, body: endless() });
    await expect.poll(() => nano.seen.length).toBe(1);
    outgoing.destroy();
    await nano.seen[0]?.closed;
    expect(nano.seen[0]).toMatchObject({ aborted: true, complete: false });
  });

  test("may follow `Expect: 100-continue` and other requests on its connection", async () => {
    const { keylane, nano } = await uploadSetup();
    const { send, until } = await openConnection(keylane.url);
    const body = chat(50 * KB);
    const head = `POST ${CHAT} HTTP/1.1\nHost: a\n${FIELDS}Content-Length: ${body.length}\n`;
    send(`${head}Expect: 100-continue\n\n`);
    await until(/^HTTP\/1\.1 100 Continue\r\n\r\n/);
    send(`${body}${head}\n${body}GET /healthz HTTP/1.1\nHost: a\n\n`);
    await until(/chat\.completion[^]*chat\.completion[^]*alive/);
    expect(nano.seen.map((one) => gunzipSync(one.body).toString() === body)).toEqual([true, true]);
  });

  test("gets the usual error if upstream fails", async () => {
    const { upload, nano } = await uploadSetup();
    nano.fail({ kind: "reset-before-headers" }, { path: CHAT, times: 1 });
    const { status, text } = await upload(CHAT, { body: chat(2000 * KB) });
    expect({ status, code: JSON.parse(text).error.code }).toEqual({ status: 502, code: "upstream_error" });
    expect(nano.seen).toHaveLength(1);
  });
});

describe("every other body is forwarded byte for byte", () => {
  const body = chat(40 * KB);
  test.for<readonly [string, string, PlainCall & { body?: string }]>([
    ["of another call", "/v1/embeddings", {}],
    ["of a path below one of the three", "/v1/messages/count_tokens", {}],
    ["of another method", CHAT, { method: "PUT" }],
    ["of another type", CHAT, { fields: FIELDS.replace("json", "jsonl") }],
    ["of no type", CHAT, { fields: `Authorization: Bearer ${ALICE}` }],
    ["with a content coding", CHAT, { fields: `${FIELDS}Content-Encoding: identity` }],
    ["with a digest", CHAT, { fields: `${FIELDS}Content-Digest: sha-256=:x:` }],
    ["with an older digest", CHAT, { fields: `${FIELDS}Content-MD5: x` }],
    ["that is signed", CHAT, { fields: `${FIELDS}Signature-Input: x` }],
    ["that is paid for", CHAT, { fields: `${FIELDS}X-PAYMENT: x` }],
    ["that requests a payment", CHAT, { fields: "Content-Type: application/json\nx-x402: true" }],
    ["with another Authorization scheme", CHAT, { fields: "Content-Type: application/json\nAuthorization: L402 a:b" }],
    ["for an encrypted store", CHAT, { fields: `${FIELDS}x-encryption-key: x` }],
    ["with no-transform", CHAT, { fields: `${FIELDS}Cache-Control: no-transform` }],
    ["over NanoGPT's limit", CHAT, { body: chat(32 * KB * KB + 2) }],
  ])("%s", async ([, path, call]) => {
    const { upload } = await uploadSetup();
    const sent = call.body ?? body;
    const { headers, body: received } = await upload(path, { body, ...call });
    expect(headers["content-length"]).toBe(String(sent.length));
    expect(headers["content-encoding"] ?? "identity").toBe("identity");
    expect(received.equals(Buffer.from(sent))).toBe(true);
  });

  test("without COMPRESS_UPLOADS", async () => {
    const { upload } = await uploadSetup({});
    const { coding, body: received } = await upload(CHAT, { body });
    expect(coding).toBeUndefined();
    expect(received.toString()).toBe(body);
  });
});
