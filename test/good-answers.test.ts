import { onTestFinished, describe, expect, test } from "vitest";
import { startNanoGpt, type Fault, type NanoGpt } from "./support/nanogpt/nanogpt.ts";
import { ALICE, scene } from "./support/scene.ts";
import { errorOf, held, NEW, OLD, storedScene } from "./support/stored.ts";

const DETAILED = "/v1/models?detailed=true";
const QUICK = { LIST_TIMEOUT: "300ms", LIST_MAX_SIZE: "1MB" };
const LATER = 600_000;

/** What the stand-in itself says to Alice. */
async function upstreamText({ url }: NanoGpt, query = ""): Promise<string> {
  const answer = await fetch(`${url}/personalized/v1/models${query}`, {
    headers: { authorization: `Bearer ${ALICE}` },
  });
  return answer.text();
}

function says(body: string): Fault {
  return { kind: "status", status: 200, body };
}

describe("a good answer", () => {
  test("reaches the caller byte for byte", async () => {
    const { list, nano } = await scene();
    expect((await list(ALICE)).text).toBe(await upstreamText(nano));
    expect((await list(ALICE, { path: DETAILED })).text).toBe(await upstreamText(nano, "?detailed=true"));
  });

  test("keeps extra fields anywhere as they came, however they are written", async () => {
    const odd = `{ "object":"list", "next":null,\n  "data":[ {"id":"odd\\u002fmodel","pricing":{"prompt":0.10,"unit":1e-7},
      "serial":12345678901234567890,"limits":[[],{}],"id2":"ü"} ], "extra":{"data":[1.0]} }\n`;
    const { list, nano } = await scene();
    nano.fail(says(odd));
    expect((await list(ALICE)).text).toBe(odd);
    expect((await list(ALICE)).text).toBe(odd);
  });

  test("loses the rows that are no models, and the log counts them", async () => {
    const { list, nano, keylane } = await scene();
    nano.fail({ kind: "bad-rows" }, { times: 1 });
    const answer = await list(ALICE, { path: DETAILED });
    expect(answer.text).toBe(await upstreamText(nano, "?detailed=true"));
    expect((await keylane.log()).filter((line) => line.includes('"rows":2'))).toHaveLength(1);
  });

  test("keeps every number of the rows that stay when others are dropped", async () => {
    const { list, nano } = await scene();
    const row = '{"id":"a","pricing":{"prompt":0.10,"unit":1e-7},"serial":12345678901234567890}';
    nano.fail(says(`{"object":"list","data":[5,${row}],"total":98765432109876543210}`));
    expect((await list(ALICE)).text).toBe(`{"object":"list","data":[${row}],"total":98765432109876543210}`);
  });

  test.each<{ what: string; fault: Fault; ids: readonly string[] }>([
    { what: "behind a byte order mark", fault: { kind: "bom" }, ids: OLD },
    { what: "slow", fault: { kind: "drip", everyMs: 1 }, ids: OLD },
    { what: "after early hints", fault: { kind: "interim", statuses: [103] }, ids: OLD },
    { what: "last on its connection", fault: { kind: "keep-alive-close" }, ids: OLD },
    { what: "followed by another", fault: { kind: "early-second" }, ids: OLD },
    { what: "large", fault: { kind: "huge-row" }, ids: [...OLD, "padding"] },
    { what: "with a row twice", fault: { kind: "duplicate-rows" }, ids: [...OLD, ...OLD.slice(0, 1)] },
    { what: "with odd ids", fault: { kind: "proto-rows" }, ids: ["__proto__", "constructor", "toString"] },
  ])("may be $what", async ({ fault, ids }) => {
    const all = await scene();
    all.nano.fail(fault);
    const answer = await all.list(ALICE);
    expect(answer.ids()).toEqual(ids);
    expect(answer.text.startsWith("{")).toBe(true);
    expect(await held(all, ALICE)).toEqual(ids);
  });
});

describe("an empty list", () => {
  test("is delivered, and held for REFUSAL_MAX_AGE only", async () => {
    const all = await scene();
    all.nano.fail({ kind: "empty" }, { times: 1 });
    expect((await all.list(ALICE)).ids()).toEqual([]);
    await all.keylane.advance(4000);
    expect((await all.list(ALICE)).ids()).toEqual([]);
    expect(all.nano.lists()).toHaveLength(1);
    await all.keylane.advance(1500);
    expect(await held(all, ALICE)).toBeUndefined();
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
  });

  test.each([6000, 61_000, 120_000])("is never served stale: after %i ms", async (ms) => {
    const { list, nano, keylane } = await scene();
    nano.fail({ kind: "empty" }, { times: 1 });
    await list(ALICE);
    await keylane.advance(ms);
    nano.fail({ kind: "status", status: 500 });
    expect(errorOf(await list(ALICE))).toEqual({ status: 502, code: "upstream_error" });
  });
});

const INVALID = { status: 502, code: "upstream_invalid_response" };
const UNREACHABLE = { status: 502, code: "upstream_unreachable" };
const TIMEOUT = { status: 504, code: "upstream_timeout" };

/** Every kind of answer that is not a good one. */
const BAD: { what: string; fault: Fault; error: { status: number; code: string } }[] = [
  { what: "HTML", fault: { kind: "html" }, error: INVALID },
  { what: "HTML that calls itself JSON", fault: { kind: "html-as-json" }, error: INVALID },
  { what: '{"error":…}', fault: { kind: "error-200" }, error: INVALID },
  { what: "an error beside rows", fault: says('{"error":"no","data":[{"id":"a"}]}'), error: INVALID },
  { what: "nothing", fault: says(""), error: INVALID },
  { what: "null", fault: says("null"), error: INVALID },
  { what: "no data", fault: says('{"object":"list"}'), error: INVALID },
  { what: "data that is an object", fault: { kind: "not-a-list" }, error: INVALID },
  { what: "rows without the object around them", fault: { kind: "array" }, error: INVALID },
  { what: "broken JSON", fault: { kind: "bad-json" }, error: INVALID },
  { what: "too deep", fault: { kind: "deep-json" }, error: INVALID },
  { what: "too large", fault: { kind: "too-large", bytes: 2 ** 20 }, error: INVALID },
  { what: "small, and too large when decoded", fault: { kind: "gzip-bomb" }, error: INVALID },
  { what: "bad gzip", fault: { kind: "bad-gzip" }, error: INVALID },
  { what: "cut gzip", fault: { kind: "cut-gzip" }, error: INVALID },
  { what: "another coding than it says", fault: { kind: "wrong-coding" }, error: INVALID },
  { what: "cut short of its length", fault: { kind: "cut-with-length" }, error: INVALID },
  { what: "cut between chunks", fault: { kind: "cut-chunked" }, error: INVALID },
  { what: "cut on a closing connection", fault: { kind: "cut-close-chunked" }, error: INVALID },
  { what: "longer than its length", fault: { kind: "wrong-length-short" }, error: INVALID },
  { what: "reset in the body", fault: { kind: "reset-after-headers" }, error: INVALID },
  { what: "204", fault: { kind: "no-content" }, error: INVALID },
  { what: "206", fault: { kind: "status", status: 206, body: '{"data":[{"id":"a"}]}' }, error: INVALID },
  { what: "304", fault: { kind: "status", status: 304 }, error: INVALID },
  { what: "a redirect", fault: { kind: "redirect" }, error: INVALID },
  { what: "reset before headers", fault: { kind: "reset-before-headers" }, error: UNREACHABLE },
  { what: "closed before headers", fault: { kind: "close-before-headers" }, error: UNREACHABLE },
  { what: "silence", fault: { kind: "hang-before-headers" }, error: TIMEOUT },
  { what: "silence in the body", fault: { kind: "hang-mid-body" }, error: TIMEOUT },
  { what: "too slow", fault: { kind: "drip", bytes: 1, everyMs: 100 }, error: TIMEOUT },
];

describe("anything else", () => {
  test.each(BAD)("is an error where nothing is stored: $what", async ({ fault, error }) => {
    const all = await scene(QUICK);
    all.nano.fail(fault);
    const answer = await all.list(ALICE);
    expect(errorOf(answer)).toEqual(error);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(answer.text).not.toContain("<");
    expect(await held(all, ALICE)).toBeUndefined();
  });

  test.each(BAD)("never replaces a good list: $what", async ({ fault }) => {
    const all = await storedScene(LATER, QUICK);
    all.nano.fail(fault, { times: 1 });
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
    expect(await held(all, ALICE)).toEqual(OLD);
    await all.keylane.advance(10_000);
    expect((await all.list(ALICE)).ids()).toEqual(NEW);
  });

  test("is bytes that are not HTTP, too", async () => {
    const { list, nano } = await scene(QUICK);
    nano.fail({ kind: "garbage" });
    expect((await list(ALICE)).status).toBe(502);
  });
});

describe("a redirect", () => {
  test.each([301, 302, 303, 307, 308])("is not followed: %i", async (status) => {
    const elsewhere = await startNanoGpt({ accounts: [{ key: ALICE }] });
    onTestFinished(() => elsewhere.stop());
    const { list, nano } = await scene();
    nano.fail({ kind: "redirect", status, location: `${elsewhere.url}/personalized/v1/models` });
    const answer = await list(ALICE);
    expect(errorOf(answer)).toEqual(INVALID);
    expect(answer.headers["location"]).toBeUndefined();
    expect(elsewhere.seen).toHaveLength(0);
    expect(nano.seen).toHaveLength(1);
  });
});
