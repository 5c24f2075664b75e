// A valid list reaches the client byte for byte; empty, oversized and redirected ones are handled as documented.
import { onTestFinished, describe, expect, test } from "vitest";
import { startNanoGpt, type Fault, type NanoGpt } from "../support/nanogpt/nanogpt.ts";
import { ALICE, setup } from "../support/setup.ts";
import { errorOf, storedList, OLD } from "../support/stale-setup.ts";

const DETAILED = "/v1/models?detailed=true";

/** Fetches Alice's list from the stand-in directly. */
async function upstreamText({ url }: NanoGpt, query = ""): Promise<string> {
  const answer = await fetch(`${url}/personalized/v1/models${query}`, {
    headers: { authorization: `Bearer ${ALICE}` },
  });
  return answer.text();
}

function okResponse(body: string): Fault {
  return { kind: "status", status: 200, body };
}

describe("a valid list", () => {
  test("reaches the client byte for byte", async () => {
    const { list, nano } = await setup();
    expect((await list(ALICE)).text).toBe(await upstreamText(nano));
    expect((await list(ALICE, { path: DETAILED })).text).toBe(await upstreamText(nano, "?detailed=true"));
  });

  test("keeps unknown fields and all formatting", async () => {
    const unusual = `{ "object":"list", "next":null,\n  "data":[ {"id":"unusual\\u002fmodel","pricing":{"prompt":0.10,"unit":1e-7},
      "serial":12345678901234567890,"limits":[[],{}],"id2":"ü"} ], "extra":{"data":[1.0]} }\n`;
    const { list, nano } = await setup();
    nano.fail(okResponse(unusual));
    expect((await list(ALICE)).text).toBe(unusual);
    expect((await list(ALICE)).text).toBe(unusual);
  });

  test("loses rows that are not models, and the log counts them", async () => {
    const { list, nano, keylane } = await setup();
    nano.fail({ kind: "bad-rows" }, { times: 1 });
    const answer = await list(ALICE, { path: DETAILED });
    expect(answer.text).toBe(await upstreamText(nano, "?detailed=true"));
    expect((await keylane.log()).filter((line) => line.includes('"rows":2'))).toHaveLength(1);
  });

  test("keeps numbers digit for digit when other rows are dropped", async () => {
    const { list, nano } = await setup();
    const row = '{"id":"a","pricing":{"prompt":0.10,"unit":1e-7},"serial":12345678901234567890}';
    nano.fail(okResponse(`{"object":"list","data":[5,${row}],"total":98765432109876543210}`));
    expect((await list(ALICE)).text).toBe(`{"object":"list","data":[${row}],"total":98765432109876543210}`);
  });
});

describe("an empty list", () => {
  test("is delivered, and stored for REFUSAL_MAX_AGE only", async () => {
    const all = await setup();
    all.nano.fail({ kind: "empty" }, { times: 1 });
    expect((await all.list(ALICE)).ids()).toEqual([]);
    await all.keylane.advance(4000);
    expect((await all.list(ALICE)).ids()).toEqual([]);
    expect(all.nano.lists()).toHaveLength(1);
    await all.keylane.advance(1500);
    expect(await storedList(all, ALICE)).toBeUndefined();
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
  });

  test.each([6000, 61_000, 120_000])("is never served stale: after %i ms", async (ms) => {
    const { list, nano, keylane } = await setup();
    nano.fail({ kind: "empty" }, { times: 1 });
    await list(ALICE);
    await keylane.advance(ms);
    nano.fail({ kind: "status", status: 500 });
    expect(errorOf(await list(ALICE))).toEqual({ status: 502, code: "upstream_error" });
  });
});

const INVALID = { status: 502, code: "upstream_invalid_response" };

describe("a list that is larger than LIST_MAX_SIZE", () => {
  test.each([
    { bytes: 200_000, limit: "128KB", isGood: false },
    { bytes: 200_000, limit: "256KB", isGood: true },
    { bytes: 17 * 2 ** 20, limit: "16MB", isGood: false },
    { bytes: 17 * 2 ** 20, limit: "18MB", isGood: true },
  ])("is rejected, a smaller one is not: $bytes bytes, limit $limit", async ({ bytes, limit, isGood }) => {
    const { list, nano } = await setup({ LIST_MAX_SIZE: limit });
    nano.fail({ kind: "too-large", bytes });
    const answer = await list(ALICE);
    if (isGood) expect(answer.ids()).toEqual([...OLD, "padding"]);
    else expect(errorOf(answer)).toEqual(INVALID);
  });
});

describe("a redirect", () => {
  test.each([300, 301, 302, 303, 305, 307, 308])("is not followed: %i", async (status) => {
    const elsewhere = await startNanoGpt({ accounts: [{ key: ALICE }] });
    onTestFinished(() => elsewhere.stop());
    const { list, nano } = await setup();
    nano.fail({ kind: "redirect", status, location: `${elsewhere.url}/personalized/v1/models` });
    const answer = await list(ALICE);
    expect(errorOf(answer)).toEqual(INVALID);
    expect(answer.headers["location"]).toBeUndefined();
    expect(elsewhere.seen).toHaveLength(0);
    expect(nano.seen).toHaveLength(1);
  });
});
