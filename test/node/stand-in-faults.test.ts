// Every fault of the stand-in does what its name says, so that tests of Keylane meet that fault.
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openConnection } from "../support/connection.ts";
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
  goodAnswer = await fetchRaw(LIST);
  good = goodAnswer.body.toString();
});
afterAll(() => nanogpt.stop());
beforeEach(() => nanogpt.reset());

const request = (path: string, init?: RequestInit) => fetch(`${nanogpt.origin}${path}`, init);
const parse = ({ body }: RawResponse) => JSON.parse(body.toString());
const isHalf = ({ body }: RawResponse) =>
  body.length > 0 && good.startsWith(body.toString()) && body.length < good.length;

type Check = (answer: RawResponse) => boolean;
const checks: Readonly<Record<Exclude<PlainFault, "hang-before-headers" | "gzip-bomb">, Check>> = {
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
  "error-200": (answer) => answer.head.includes("200 OK") && parse(answer).error?.message.length > 0,
  "bad-json": (answer) => isWhole(answer) && isHalf(answer),
  "not-a-list": (answer) => !Array.isArray(parse(answer).data),
  array: (answer) => parse(answer).length === 2,
  "deep-json": ({ body }) => body.toString().includes("[".repeat(100_000)),
  "proto-rows": (answer) => Object.hasOwn(parse(answer).data[0], "__proto__"),
  "duplicate-rows": (answer) => parse(answer).data[0].id === parse(answer).data[2]?.id,
  "huge-row": ({ body }) => body.length > 1024 * 1024,
  "bad-rows": (answer) => parse(answer).data.length === 4 && parse(answer).data[0] === null,
  empty: (answer) => parse(answer).data.length === 0,
  bom: ({ body }) => body.toString() === `\uFEFF${good}`,
  "cut-gzip-chunked": ({ head, body }) => /encoding: gzip/.test(head) && isCutChunk(head, body),
  "gzip-and-more": (answer) => isWhole(answer) && answer.body.toString().endsWith("and more"),
  "gzip-twice": ({ head, body }) =>
    /encoding: gzip, gzip/.test(head) && gunzipSync(gunzipSync(body)).toString() === good,
  "many-rows": (answer) => parse(answer).data.length === 100_002,
  "large-row": ({ body }) => body.length > 15 * 1024 * 1024,
  "wide-row": (answer) => Object.keys(parse(answer).data[2] ?? {}).length === 100_001,
  "nested-row": ({ body }) => body.toString().includes("[".repeat(60)),
  "odd-ids": (answer) => ODD_IDS.every((id, i) => parse(answer).data[i + 2]?.id === id),
  "odd-numbers": (answer) => parse(answer).data[2]?.huge === Infinity,
  "fields-twice": ({ body }) => body.toString().split('"data":').length === 3,
  "utf-16": ({ body }) => body.toString("utf16le") === `\uFEFF${good}`,
  "latin-1": ({ body }) => body.toString("latin1").includes("caf\u00e9") && body.toString().includes("\uFFFD"),
  nul: ({ body }) => body.toString() === `${good}\0`,
  "no-content": ({ head, body }) => head.includes("204 No Content") && body.length === 0,
};

describe("a fault", () => {
  test.for(Object.entries(checks))("does what it says: %s", async ([kind, check]) => {
    const fault = plainFaults.find((known) => known === kind) ?? "html";
    nanogpt.fail({ kind: fault }, { times: 1 });
    const answer = await fetchRaw(LIST);
    expect(check(answer), `${answer.end} ${answer.head} ${answer.body.toString().slice(0, 200)}`).toBe(true);
    expect(check(goodAnswer), "a good answer").toBe(false);
    expect(nanogpt.seen.map(({ aborted }) => aborted)).toEqual([kind === "hang-mid-body"]);
  });

  test("gzip-bomb decodes to a thousand times its size", async () => {
    nanogpt.fail({ kind: "gzip-bomb" });
    const response = await request(LIST);
    expect(Number(response.headers.get("content-length"))).toBeLessThan(70_000);
    const text = await response.text();
    expect(text.length).toBeGreaterThan(bombBytes);
    expect(JSON.parse(text)).toMatchObject({ data: [{ id: "bomb" }] });
  });

  test("hang-before-headers lasts until the client disconnects", async () => {
    nanogpt.fail({ kind: "hang-before-headers" });
    const leaving = new AbortController();
    const answer = request(LIST, { signal: leaving.signal });
    await expect.poll(() => nanogpt.seen.length).toBe(1);
    setTimeout(() => leaving.abort(), 50);
    await expect(answer).rejects.toThrow(/abort/);
    await nanogpt.seen[0]?.closed;
    expect(nanogpt.seen[0]?.aborted).toBe(true);
  });

  test("uses its options", async () => {
    nanogpt.fail({ kind: "status", status: 418, body: "tea", headers: { "x-pot": "1" } }, { times: 1 });
    nanogpt.fail({ kind: "redirect", location: "/away" }, { times: 1 });
    nanogpt.fail({ kind: "rate-limited", retryAfter: 7 }, { times: 1 });
    nanogpt.fail({ kind: "drip", bytes: 90, everyMs: 1 }, { times: 1 });
    nanogpt.fail({ kind: "too-large", bytes: 5000 }, { times: 1 });
    nanogpt.fail({ kind: "interim" }, { times: 1 });
    nanogpt.fail({ kind: "header-bomb" }, { times: 1 });
    const status = await fetchRaw(LIST);
    expect([status.head, status.body.toString()]).toEqual([expect.stringMatching(/418[^]*x-pot: 1/), "tea"]);
    expect((await fetchRaw(LIST)).head).toMatch(/302 Found[^]*location: \/away/);
    const limited = await fetchRaw(LIST);
    expect(limited.head).toMatch(/429[^]*retry-after: 7/);
    expect(parse(limited)).toMatchObject({ code: "rate_limited" });
    expect((await fetchRaw(LIST)).body.toString()).toBe(good);
    expect((await fetchRaw(LIST)).body.length).toBeGreaterThan(5000);
    const interim = await fetchRaw(LIST);
    expect(`${interim.head}${interim.body.toString()}`).toMatch(/^HTTP\/1.1 103 [^]*HTTP\/1.1 100 [^]*HTTP\/1.1 200 /);
    expect((await fetchRaw(LIST)).head.length).toBeGreaterThan(100_000);
  });

  test("applies only to matching requests", async () => {
    nanogpt.fail({ kind: "status", status: 503 }, { key: "b" });
    nanogpt.fail({ kind: "rate-limited" }, { path: "/echo" });
    expect((await request(LIST)).status).toBe(200);
    expect((await request(LIST, { headers: { "x-api-key": "b" } })).status).toBe(503);
    expect(await (await request("/api/v1/echo")).json()).toMatchObject({ error: { code: "rate_limited" } });
    nanogpt.fail(undefined);
    expect((await request(LIST, { headers: { "x-api-key": "b" } })).status).toBe(200);
  });
});

describe("a fault with options", () => {
  test.for([
    ["gzip", gunzipSync],
    ["br", brotliDecompressSync],
    ["gzip, gzip", (body: Buffer) => gunzipSync(gunzipSync(body))],
  ] as const)("bomb is small but decodes to 64 MB: %s", async ([coding, decode]) => {
    nanogpt.fail({ kind: "bomb", coding, status: 403 });
    const { head, body } = await fetchRaw(LIST);
    expect(head).toMatch(/^HTTP\/1.1 403 /);
    expect(head).toContain(`content-encoding: ${coding}\r\n`);
    expect(body.length).toBeLessThan(70_000);
    expect(decode(body).length).toBeGreaterThan(bombBytes);
  });

  test.for([
    ["interim answers", /(?:HTTP\/1.1 103 [^]*){20}$/],
    ["headers", /^HTTP\/1.1 200 [^\r]*(?:\r\nX-Endless: x+){20}\r/],
    ["body", /chunked\r\n\r\n[^]*aion-labs[^]*(?:\r\n2710\r\n +){20}/],
  ] as const)("endless repeats its part: %s", async ([part, pattern]) => {
    nanogpt.fail({ kind: "endless", part, everyMs: 5 });
    const connection = await openConnection(nanogpt.origin);
    connection.send(`GET ${LIST} HTTP/1.1\nHost: standin\n\n`);
    await expect(connection.until(pattern)).resolves.toMatch(pattern);
  });

  test("raw sends the given bytes, then closes, resets or keeps the connection", async () => {
    for (const after of ["close", "reset", "stay"] as const) {
      nanogpt.fail(
        { kind: "raw", head: ["HTTP/1.1 1 \xe9", "L: LENGTH LENGTH16"], body: "<GOOD>", after },
        { times: 1 },
      );
      const { head, body, end } = await fetchRaw(LIST);
      expect(head).toBe(`HTTP/1.1 1 \xe9\r\nL: ${good.length} ${good.length.toString(16)}\r\n\r\n`);
      expect([body.toString(), end]).toEqual([`<${good}>`, { close: "fin", reset: "reset", stay: "none" }[after]]);
    }
  });

  test.for([
    ["cut", "fin"],
    ["hang", "none"],
  ] as const)("status can end with: %s", async ([end, connectionEnd]) => {
    nanogpt.fail({ kind: "status", status: 403, body: "No.", end });
    const answer = await fetchRaw(LIST);
    expect([answer.body.toString(), Number(/content-length: (\d+)/i.exec(answer.head)?.[1]), answer.end]).toEqual([
      "No.",
      103,
      connectionEnd,
    ]);
  });
});

async function fetchRaw(path: string): Promise<RawResponse> {
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
