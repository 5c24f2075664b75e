import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { ALICE, BOB, scene, type Scene } from "./support/scene.ts";
import { held, OLD } from "./support/stored.ts";

const LISTS: ReadonlyMap<string, readonly string[]> = new Map([
  [ALICE, OLD],
  [BOB, ["NousResearch/hermes-4-70b"]],
]);

describe("a key's list", () => {
  test("is never served to another key", async () => {
    const { list } = await scene();
    const alice = await list(ALICE);
    const bob = await list(BOB);
    expect(alice.ids()).toEqual(["NousResearch/Hermes-4-70B:thinking", "openai/gpt-4-turbo"]);
    expect(bob.ids()).toEqual(["NousResearch/hermes-4-70b"]);
  });

  test("never mixes with another's, however requests cross, are cut off and purged", async () => {
    const all = await scene({ MAX_AGE: "2s", STALE_WHILE_REVALIDATE: "2s", STALE_IF_ERROR: "10s" });
    all.nano.fail({ kind: "status", status: 500 }, { times: 3, key: BOB });
    all.nano.delay(3);
    const choose = chooser(20_260_620);
    const told: Told[] = [];
    for (let round = 0; round < 20; round++) {
      const crossing = Array.from({ length: 20 }, () => visit(all, choose));
      if (round % 3 === 0) await all.keylane.advance(choose([100, 1500, 2500, 7000]));
      told.push(...(await Promise.all(crossing)));
    }
    for (const { key, ids } of told) if (ids !== undefined) expect(ids).toEqual(LISTS.get(key));
    for (const key of LISTS.keys()) {
      expect(told.filter((one) => one.key === key && one.ids !== undefined).length).toBeGreaterThan(80);
    }
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

interface Told {
  readonly key: string;
  /** Undefined where no list was given. */
  readonly ids: readonly string[] | undefined;
}
type Choose = <T>(of: readonly T[]) => T;

/** One request of either key, of many kinds. */
async function visit({ keylane, list }: Scene, choose: Choose): Promise<Told> {
  const key = choose([...LISTS.keys()]);
  const kind = choose(["list", "list", "list", "list", "list", "list", "leave", "purge"]);
  if (kind === "purge" && choose([true, false])) {
    await list(key, { method: "PURGE" });
    return { key, ids: undefined };
  }
  const caller = new AbortController();
  if (kind === "leave") void sleep(choose([0, 1, 3, 6])).then(() => caller.abort());
  const credential = choose([{ authorization: `Bearer ${key}` }, { "x-api-key": key }]);
  const directive = choose(["max-age=60", "max-age=60", "no-cache", "no-store", "max-age=1"]);
  const path = choose(["", "", "", "?detailed=true", "?sort=favorites"]);
  const shape = choose(["", "", "/basic", "/detailed"]);
  const headers: Record<string, string> = { ...credential, "cache-control": directive };
  headers["accept-encoding"] = choose(["gzip", "br", "identity", "gzip, br;q=0.5"]);
  try {
    const answer = await fetch(`${keylane.url}${shape}/v1/models${path}`, { headers, signal: caller.signal });
    if (answer.status !== 200) return { key, ids: undefined };
    const { data } = (await answer.json()) as { data: { id: string }[] };
    return { key, ids: data.map(({ id }) => id) };
  } catch (error) {
    if (!caller.signal.aborted) throw error;
    return { key, ids: undefined };
  }
}

/** Chooses as if by chance, and the same every time (mulberry32). */
function chooser(seed: number): Choose {
  let state = seed;
  return (of) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    const chosen = of[((mixed ^ (mixed >>> 14)) >>> 0) % of.length];
    if (chosen === undefined) throw new Error("Cannot choose: there must be something to choose from");
    return chosen;
  };
}

const variant = (index: number) => ({ headers: { origin: `https://room-${index}.example.org` } });

describe("a key with more than 8 variants", () => {
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
