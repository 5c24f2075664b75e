// A key's list is never served to another key, whatever the requests around it look like.
import { describe, expect, test } from "vitest";
import { ALICE, BOB, setup } from "../support/setup.ts";
import { storedList, OLD } from "../support/stale-setup.ts";

const BOBS_LIST = ["NousResearch/hermes-4-70b"];

describe("a key's list", { retry: 0 }, () => {
  test("is never served to another key", async () => {
    const { list } = await setup();
    const alice = await list(ALICE);
    const bob = await list(BOB);
    expect(alice.ids()).toEqual(["NousResearch/Hermes-4-70B:thinking", "openai/gpt-4-turbo"]);
    expect(bob.ids()).toEqual(BOBS_LIST);
  });

  test("is never read from a broken response on the same connection", async () => {
    const { list, nano } = await setup();
    for (const kind of ["early-second", "wrong-length-short", "cut-with-length", "keep-alive-close"] as const) {
      nano.fail({ kind }, { times: 1, key: ALICE });
      await list(ALICE, { headers: { "cache-control": "no-store" } });
      const bob = await list(BOB, { headers: { "cache-control": "no-store" } });
      expect([kind, bob.status === 200 ? bob.ids() : bob.status]).toEqual([kind, BOBS_LIST]);
    }
  });
});

const variant = (index: number) => ({ headers: { origin: `https://page-${index}.example.org` } });

describe("a key with more than 8 variants", { retry: 0 }, () => {
  test("loses its own oldest, and no other key's", async () => {
    const all = await setup();
    await all.list(BOB);
    for (let index = 0; index < 8; index++) await all.list(ALICE, variant(index));
    for (let index = 0; index < 8; index++) expect(await storedList(all, ALICE, variant(index))).toEqual(OLD);
    await all.list(ALICE, variant(8));
    await all.list(ALICE, variant(9));
    expect(await storedList(all, ALICE, variant(0))).toBeUndefined();
    expect(await storedList(all, ALICE, variant(1))).toBeUndefined();
    for (let index = 2; index < 10; index++) expect(await storedList(all, ALICE, variant(index))).toEqual(OLD);
    expect(await storedList(all, BOB)).toEqual(BOBS_LIST);
  });
});
