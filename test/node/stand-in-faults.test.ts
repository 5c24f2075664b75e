import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { bombBytes } from "../support/nanogpt/broken-codings.ts";
import { ODD_IDS } from "../support/nanogpt/broken-lists.ts";
import { plainFaults, type PlainFault } from "../support/nanogpt/faults.ts";
import { rawCall, type RawResponse } from "../support/nanogpt/raw-call.ts";
import { startNanoGpt, type NanoGpt } from "../support/nanogpt/nanogpt.ts";

const LIST = "/api/v1/models";
let nanogpt: NanoGpt;
let goodAnswer: RawResponse;
let good: string;
beforeAll(async () => {
  nanogpt = await startNanoGpt({
    accounts: [{ key: "a", visible: ["aion-labs/aion-1.0", "aion-labs/aion-2.0"] }],
  });
  goodAnswer = await heard(LIST);
  good = goodAnswer.body.toString();
});
afterAll(() => nanogpt.stop());
beforeEach(() => nanogpt.reset());

const ask = (path: string, init?: RequestInit) => fetch(`${nanogpt.origin}${path}`, init);
const parsed = ({ body }: RawResponse) => JSON.parse(body.toString());
const isHalf = ({ body }: RawResponse) =>
  body.length > 0 && good.startsWith(body.toString()) && body.length < good.length;

type Shown = (answer: RawResponse) => boolean;
const shows: Readonly<Record<Exclude<PlainFault, "hang-before-headers" | "gzip-bomb">, Shown>> = {
  "reset-before-headers": ({ head, end }) => head === "" && end === "reset",
  "reset-after-headers": ({ head, end }) => head.includes("200 OK") && end === "reset",
  "close-before-headers": ({ head, end }) => head === "" && end === "fin",
  "hang-mid-body": (answer) => isHalf(answer) && answer.end === "none",
  "cut-with-length": (answer) => isHalf(answer) && lengthOf(answer) === good.length && answer.end === "fin",
  "cut-chunked": ({ head, body, end }) => isCutChunk(head, body) && /keep-alive/.test(head) && end === "fin",
  "cut-close-chunked": ({ head, body, end }) => isCutChunk(head, body) && /: close/.test(head) && end === "fin",
  "wrong-length-short": (answer) => answer.body.toString() === good && lengthOf(answer) < good.length,
  "early-second": (answer) => answer.body.toString().startsWith("HTTP/1.1 200 OK", lengthOf(answer)),
  "keep-alive-close": ({ head, body, end }) => /keep-alive/.test(head) && body.toString() === good && end === "fin",
  garbage: ({ head, body }) => !`${head}${body.toString()}`.startsWith("HTTP") && head.includes("not HTTP"),
  "cut-gzip": (answer) => isWhole(answer) && throws(() => gunzipSync(answer.body)) && answer.body.at(0) === 0x1f,
  "bad-gzip": (answer) => /encoding: gzip/.test(answer.head) && answer.body.toString() === good,
  "wrong-coding": (answer) =>
    /encoding: br/.test(answer.head) &&
    throws(() => brotliDecompressSync(answer.body)) &&
    gunzipSync(answer.body).toString() === good,
  "unknown-coding": ({ head, body }) => /encoding: foo/.test(head) && body.toString() === good,
  html: ({ head, body }) => /text\/html/.test(head) && body.toString().startsWith("<!DOCTYPE"),
  "html-as-json": ({ head, body }) => /application\/json/.test(head) && body.toString().startsWith("<!DOCTYPE"),
  "error-200": (answer) => answer.head.includes("200 OK") && parsed(answer).error?.message.length > 0,
  "bad-json": (answer) => isWhole(answer) && isHalf(answer),
  "not-a-list": (answer) => !Array.isArray(parsed(answer).data),
  array: (answer) => parsed(answer).length === 2,
  "deep-json": ({ body }) => body.toString().includes("[".repeat(100_000)),
  "proto-rows": (answer) => Object.hasOwn(parsed(answer).data[0], "__proto__"),
  "duplicate-rows": (answer) => parsed(answer).data[0].id === parsed(answer).data[2]?.id,
  "huge-row": ({ body }) => body.length > 1024 * 1024,
  "bad-rows": (answer) => parsed(answer).data.length === 4 && parsed(answer).data[0] === null,
  empty: (answer) => parsed(answer).data.length === 0,
  bom: ({ body }) => body.toString() === `\uFEFF${good}`,
  "cut-gzip-chunked": ({ head, body }) => /encoding: gzip/.test(head) && isCutChunk(head, body),
  "gzip-and-more": (answer) => isWhole(answer) && answer.body.toString().endsWith("and more"),
  "gzip-twice": ({ head, body }) =>
    /encoding: gzip, gzip/.test(head) && gunzipSync(gunzipSync(body)).toString() === good,
  "many-rows": (answer) => parsed(answer).data.length === 100_002,
  "large-row": ({ body }) => body.length > 15 * 1024 * 1024,
  "wide-row": (answer) => Object.keys(parsed(answer).data[2] ?? {}).length === 100_001,
  "nested-row": ({ body }) => body.toString().includes("[".repeat(60)),
  "odd-ids": (answer) => ODD_IDS.every((id, i) => parsed(answer).data[i + 2]?.id === id),
  "odd-numbers": (answer) => parsed(answer).data[2]?.huge === Infinity,
  "fields-twice": ({ body }) => body.toString().split('"data":').length === 3,
  "utf-16": ({ body }) => body.toString("utf16le") === `\uFEFF${good}`,
  "latin-1": ({ body }) => body.toString("latin1").includes("caf\u00e9") && body.toString().includes("\uFFFD"),
  nul: ({ body }) => body.toString() === `${good}\0`,
  "no-content": ({ head, body }) => head.includes("204 No Content") && body.length === 0,
};

describe("a fault", () => {
  test.for(Object.entries(shows))("does what it says: %s", async ([kind, isShown]) => {
    const fault = plainFaults.find((known) => known === kind) ?? "html";
    nanogpt.fail({ kind: fault }, { times: 1 });
    const answer = await heard(LIST);
    expect(isShown(answer), `${answer.end} ${answer.head} ${answer.body.toString().slice(0, 200)}`).toBe(true);
    expect(isShown(goodAnswer), "a good answer").toBe(false);
    expect(nanogpt.seen.map(({ aborted }) => aborted)).toEqual([kind === "hang-mid-body"]);
  });

  test("gzip-bomb grows a thousandfold", async () => {
    nanogpt.fail({ kind: "gzip-bomb" });
    const response = await ask(LIST);
    expect(Number(response.headers.get("content-length"))).toBeLessThan(70_000);
    const text = await response.text();
    expect(text.length).toBeGreaterThan(bombBytes);
    expect(JSON.parse(text)).toMatchObject({ data: [{ id: "bomb" }] });
  });

  test("hang-before-headers lasts until the client leaves, and says so", async () => {
    nanogpt.fail({ kind: "hang-before-headers" });
    await expect(ask(LIST, { signal: AbortSignal.timeout(50) })).rejects.toThrow(/timeout/);
    await nanogpt.seen[0]?.closed;
    expect(nanogpt.seen[0]?.aborted).toBe(true);
  });

  test("those with something to choose do as chosen", async () => {
    nanogpt.fail({ kind: "status", status: 418, body: "tea", headers: { "x-pot": "1" } }, { times: 1 });
    nanogpt.fail({ kind: "redirect", location: "/away" }, { times: 1 });
    nanogpt.fail({ kind: "rate-limited", retryAfter: 7 }, { times: 1 });
    nanogpt.fail({ kind: "drip", bytes: 90, everyMs: 1 }, { times: 1 });
    nanogpt.fail({ kind: "too-large", bytes: 5000 }, { times: 1 });
    nanogpt.fail({ kind: "interim" }, { times: 1 });
    nanogpt.fail({ kind: "header-bomb" }, { times: 1 });
    const status = await heard(LIST);
    expect([status.head, status.body.toString()]).toEqual([expect.stringMatching(/418[^]*x-pot: 1/), "tea"]);
    expect((await heard(LIST)).head).toMatch(/302 Found[^]*location: \/away/);
    const limited = await heard(LIST);
    expect(limited.head).toMatch(/429[^]*retry-after: 7/);
    expect(parsed(limited)).toMatchObject({ code: "rate_limited" });
    expect((await heard(LIST)).body.toString()).toBe(good);
    expect((await heard(LIST)).body.length).toBeGreaterThan(5000);
    const interim = await heard(LIST);
    expect(`${interim.head}${interim.body.toString()}`).toMatch(/^HTTP\/1.1 103 [^]*HTTP\/1.1 100 [^]*HTTP\/1.1 200 /);
    expect((await heard(LIST)).head.length).toBeGreaterThan(100_000);
  });

  test("strikes only where it is meant to", async () => {
    nanogpt.fail({ kind: "status", status: 503 }, { key: "b" });
    nanogpt.fail({ kind: "rate-limited" }, { path: "/echo" });
    expect((await ask(LIST)).status).toBe(200);
    expect((await ask(LIST, { headers: { "x-api-key": "b" } })).status).toBe(503);
    expect(await (await ask("/api/v1/echo")).json()).toMatchObject({ error: { code: "rate_limited" } });
    nanogpt.fail(undefined);
    expect((await ask(LIST, { headers: { "x-api-key": "b" } })).status).toBe(200);
  });
});

async function heard(path: string): Promise<RawResponse> {
  const answer = await rawCall(nanogpt.origin, path, ["X-API-Key: a"]);
  await nanogpt.seen.at(-1)?.closed;
  return answer;
}

function lengthOf({ head }: RawResponse): number {
  return Number(/content-length: (\d+)/i.exec(head)?.[1]);
}

function isWhole(answer: RawResponse): boolean {
  return answer.body.length === lengthOf(answer);
}

function isCutChunk(head: string, body: Buffer): boolean {
  return /transfer-encoding: chunked/i.test(head) && body.length > 0 && !body.toString().endsWith("0\r\n\r\n");
}

function throws(action: () => unknown): boolean {
  try {
    action();
    return false;
  } catch {
    return true;
  }
}
