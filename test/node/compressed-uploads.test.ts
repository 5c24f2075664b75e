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
const nothing: IncomingHttpHeaders = {};

const text = (content: string) => JSON.stringify({ model: "m", input: content, messages: [{ role: "user", content }] });

/** A chat of exactly so many bytes. */
function chat(bytes: number): string {
  const padding = bytes - text("").length;
  return text("a".repeat(padding >> 1)) + " ".repeat(padding % 2);
}

async function* pieces(...parts: string[]) {
  for (const part of parts) {
    yield Buffer.from(part);
    await sleep(5);
  }
}

async function* endless() {
  yield Buffer.from(chat(20 * KB));
  await new Promise(() => {});
}

async function uploads(settings: Record<string, string> = { COMPRESS_UPLOADS: "true" }) {
  const { nano, keylane } = await setup(settings);
  /** Makes a call, and gives what upstream saw of it. */
  const up = async (path: string, call: PlainCall) => {
    const { status, text } = await plainCall(keylane.url + path, { method: "POST", fields: FIELDS, ...call });
    const { body, headers } = nano.seen.at(-1) ?? { body: Buffer.alloc(0), headers: nothing };
    return { status, text, body, headers, coding: headers["content-encoding"] };
  };
  return { nano, keylane, up };
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
    const { up } = await uploads();
    const body = chat(300 * KB);
    const { coding, headers, body: came } = await up(path, { body });
    expect(coding).toBe("gzip");
    expect(headers).toMatchObject({ "transfer-encoding": "chunked", "content-type": "application/json" });
    expect(headers).not.toHaveProperty("content-length");
    expect(gunzipSync(came).equals(Buffer.from(body))).toBe(true);
    expect(came.length).toBeLessThan(body.length / 5);
  });

  test("is answered as ever", async () => {
    const { up } = await uploads();
    const { status, text } = await up(CHAT, { body: chat(300 * KB) });
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ object: "chat.completion" });
  });

  test("is one of more than 16 KiB, announced or counted", async () => {
    const { up } = await uploads();
    for (const [bytes, coding] of [
      [16 * KB, undefined],
      [16 * KB + 1, "gzip"],
    ] as const) {
      const body = chat(bytes);
      const received = await up(CHAT, { body });
      expect(received.coding).toBe(coding);
      expect(received.headers["content-length"]).toBe(coding === undefined ? String(bytes) : undefined);
      const counted = await up(CHAT, { body: pieces(body.slice(0, 9000), body.slice(9000)) });
      expect(counted.coding).toBe(coding);
      for (const { body: came } of [received, counted])
        expect((coding === undefined ? came : gunzipSync(came)).toString()).toBe(body);
    }
  });

  test("is counted against MAX_BODY_SIZE by the client's bytes", async () => {
    const { up } = await uploads({ COMPRESS_UPLOADS: "true", MAX_BODY_SIZE: "100KB" });
    expect(await up(CHAT, { body: chat(100 * KB) })).toMatchObject({ status: 200, coding: "gzip" });
    expect(await up(CHAT, { body: chat(101 * KB) })).toMatchObject({ status: 413 });
    expect(await up(CHAT, { body: pieces(chat(60 * KB), chat(60 * KB)) })).toMatchObject({ status: 413 });
    const small = await uploads({ COMPRESS_UPLOADS: "true", MAX_BODY_SIZE: "2KB" });
    expect(await small.up(CHAT, { body: pieces(chat(2 * KB), chat(2 * KB)) })).toMatchObject({ status: 413 });
  });

  test("goes up as it comes, however slowly that is", async () => {
    const { keylane, nano } = await uploads();
    const half = chat(40 * KB);
    const rest = Promise.withResolvers<void>();
    async function* slowly() {
      yield Buffer.from(half);
      await rest.promise;
      yield Buffer.from(" ");
    }
    const outgoing = startCall(keylane.url + CHAT, { method: "POST", fields: FIELDS, body: slowly() });
    const partly = () => gunzipSync(nano.seen[0]?.body ?? Buffer.alloc(0), { finishFlush: 2 }).toString();
    await expect.poll(() => nano.seen.length && partly()).toBe(half);
    rest.resolve();
    await new Promise((resolve) => outgoing.once("response", resolve));
    expect(gunzipSync(nano.seen[0]?.body ?? Buffer.alloc(0)).toString()).toBe(`${half} `);
    outgoing.destroy();
  });

  test.for(["before it is long enough", "after"])("that its client cuts never looks whole: %s", async (when) => {
    const { url, received } = await startRawUpstream(() => {});
    const { keylane } = await uploads({ COMPRESS_UPLOADS: "true", PASSTHROUGH_URL: url });
    const { send, ended } = await openConnection(keylane.url);
    const piece = chat(when === "after" ? 20 * KB : 2 * KB);
    send(`POST ${CHAT} HTTP/1.1\nHost: a\n${FIELDS}Transfer-Encoding: chunked\n\n`);
    send(`${piece.length.toString(16)}\n${piece}\n`);
    if (when === "after") await expect.poll(() => received.join("")).toMatch(/Content-Encoding: gzip/);
    // A chunk that is none ends the request here.
    send("zz\n");
    await ended;
    await sleep(100);
    expect(received.join("")).not.toMatch(/\r\n0\r\n\r\n$/);
  });

  test("that its client leaves is left upstream at once", async () => {
    const { keylane, nano } = await uploads();
    const outgoing = startCall(keylane.url + CHAT, { method: "POST", fields: FIELDS, body: endless() });
    await expect.poll(() => nano.seen.length).toBe(1);
    outgoing.destroy();
    await nano.seen[0]?.closed;
    expect(nano.seen[0]).toMatchObject({ aborted: true, complete: false });
  });

  test("follows an Expect and other requests on its connection", async () => {
    const { keylane, nano } = await uploads();
    const { send, until } = await openConnection(keylane.url);
    const body = chat(50 * KB);
    const head = `POST ${CHAT} HTTP/1.1\nHost: a\n${FIELDS}Content-Length: ${body.length}\n`;
    send(`${head}Expect: 100-continue\n\n`);
    await until(/^HTTP\/1\.1 100 Continue\r\n\r\n/);
    send(`${body}${head}\n${body}GET /healthz HTTP/1.1\nHost: a\n\n`);
    await until(/chat\.completion[^]*chat\.completion[^]*alive/);
    expect(nano.seen.map((one) => gunzipSync(one.body).toString() === body)).toEqual([true, true]);
  });

  test("whose upstream fails gets the usual error", async () => {
    const { up, nano } = await uploads();
    nano.fail({ kind: "reset-before-headers" }, { path: CHAT, times: 1 });
    const { status, text } = await up(CHAT, { body: chat(2000 * KB) });
    expect({ status, code: JSON.parse(text).error.code }).toEqual({ status: 502, code: "upstream_error" });
    expect(nano.seen).toHaveLength(1);
  });
});

describe("every other body goes up byte for byte", () => {
  const body = chat(40 * KB);
  test.for<readonly [string, string, PlainCall & { body?: string }]>([
    ["of another call", "/v1/embeddings", {}],
    ["of a call below one of the three", "/v1/messages/count_tokens", {}],
    ["of another method", CHAT, { method: "PUT" }],
    ["of another type", CHAT, { fields: FIELDS.replace("json", "jsonl") }],
    ["of no type", CHAT, { fields: `Authorization: Bearer ${ALICE}` }],
    ["in a coding", CHAT, { fields: `${FIELDS}Content-Encoding: identity` }],
    ["with a digest", CHAT, { fields: `${FIELDS}Content-Digest: sha-256=:x:` }],
    ["with an older digest", CHAT, { fields: `${FIELDS}Content-MD5: x` }],
    ["that is signed", CHAT, { fields: `${FIELDS}Signature-Input: x` }],
    ["that is paid for", CHAT, { fields: `${FIELDS}X-PAYMENT: x` }],
    ["that is to be paid for", CHAT, { fields: "Content-Type: application/json\nx-x402: true" }],
    ["of another scheme", CHAT, { fields: "Content-Type: application/json\nAuthorization: L402 a:b" }],
    ["for an encrypted store", CHAT, { fields: `${FIELDS}x-encryption-key: x` }],
    ["that nobody may transform", CHAT, { fields: `${FIELDS}Cache-Control: no-transform` }],
    ["over NanoGPT's limit", CHAT, { body: chat(32 * KB * KB + 2) }],
  ])("%s", async ([, path, call]) => {
    const { up } = await uploads();
    const sent = call.body ?? body;
    const { headers, body: came } = await up(path, { body, ...call });
    expect(headers["content-length"]).toBe(String(sent.length));
    expect(headers["content-encoding"] ?? "identity").toBe("identity");
    expect(came.equals(Buffer.from(sent))).toBe(true);
  });

  test("unless COMPRESS_UPLOADS says otherwise", async () => {
    const { up } = await uploads({});
    const { coding, body: came } = await up(CHAT, { body });
    expect(coding).toBeUndefined();
    expect(came.toString()).toBe(body);
  });
});
