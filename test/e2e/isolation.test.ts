import { describe, expect, test } from "vitest";
import { ALICE, BOB, scene } from "../support/setup.ts";
import { held, OLD } from "../support/stale-setup.ts";

const LISTS: ReadonlyMap<string, readonly string[]> = new Map([
  [ALICE, OLD],
  [BOB, ["NousResearch/hermes-4-70b"]],
]);

describe("a key's list", { retry: 0 }, () => {
  test("is never served to another key", async () => {
    const { list } = await scene();
    const alice = await list(ALICE);
    const bob = await list(BOB);
    expect(alice.ids()).toEqual(["NousResearch/Hermes-4-70B:thinking", "openai/gpt-4-turbo"]);
    expect(bob.ids()).toEqual(["NousResearch/hermes-4-70b"]);
  });

  test("is not the answer that broke off on a connection both have used", async () => {
    const { list, nano } = await scene();
    for (const kind of [
      "early-second",
      "wrong-length-short",
      "cut-with-length",
      "keep-alive-close",
    ] as const) {
      nano.fail({ kind }, { times: 1, key: ALICE });
      await list(ALICE, { headers: { "cache-control": "no-store" } });
      const bob = await list(BOB, { headers: { "cache-control": "no-store" } });
      expect([kind, bob.status === 200 ? bob.ids() : bob.status]).toEqual([kind, LISTS.get(BOB)]);
    }
  });
});

const variant = (index: number) => ({ headers: { origin: `https://room-${index}.example.org` } });

describe("a key with more than 8 variants", { retry: 0 }, () => {
  test("loses its own oldest, and nobody else's", async () => {
    const all = await scene();
    await all.list(BOB);
    for (let index = 0; index < 8; index++) await all.list(ALICE, variant(index));
    for (let index = 0; index < 8; index++) expect(await held(all, ALICE, variant(index))).toEqual(OLD);
    await all.list(ALICE, variant(8));
    await all.list(ALICE, variant(9));
    expect(await held(all, ALICE, variant(0))).toBeUndefined();
    expect(await held(all, ALICE, variant(1))).toBeUndefined();
    for (let index = 2; index < 10; index++) expect(await held(all, ALICE, variant(index))).toEqual(OLD);
    expect(await held(all, BOB)).toEqual(LISTS.get(BOB));
  });
});
