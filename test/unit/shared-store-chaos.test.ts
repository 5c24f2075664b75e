import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codecs } from "../../src/node/codecs.ts";
import { createSharedCache } from "../../src/storage/shared-store.ts";
import type { StoredList } from "../../src/storage/store.ts";
import { createChaosStore, CHAOS_ACTIONS } from "../support/chaos-store.ts";

const SETTINGS = {
  secret: "a secret that all of them share",
  maxAgeMs: 60_000,
  staleWhileRevalidateMs: 60_000,
  staleIfErrorMs: 600_000,
  refusalMaxAgeMs: 5000,
};
const CALLERS = ["sk-nano-test-alice", "sk-nano-test-bob"] as const;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

const step = fc.record({
  who: fc.nat({ max: 1 }),
  act: fc.constantFrom("get", "get", "set", "delete", "purge", "tryLock", "unlock"),
});

function listOf(who: number, storedAt: number): StoredList {
  const bytes = new TextEncoder().encode(`the list of ${CALLERS[who]} at ${storedAt}`);
  const original = {
    coding: "identity",
    bytes: new Uint8Array(bytes),
    etag: `W/"${"e".repeat(27)}"`,
  } as const;
  return { storedAt, isEmpty: false, isBasic: false, original, views: new Map() };
}

describe("whatever a remote store does", () => {
  test("a client is given its own list or none, never an error, and never waits for long", async () => {
    const looked = { own: 0, none: 0 };
    const whims = fc.array(fc.constantFrom(...CHAOS_ACTIONS), { maxLength: 20 });
    const steps = fc.array(step, { minLength: 4, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(whims, steps, async (moods, acts) => {
        let now = 1_800_000_000_000;
        const lists = createSharedCache(createChaosStore(moods), SETTINGS, {
          codecs,
          now: () => now,
          log: silent,
          local: { fingerprints: () => [], invalidate: () => {} },
        });
        let purgedAt = [-1, -1];
        for (const { who, act } of acts) {
          // Longer than a remote store that was slow is left in peace.
          now += 600;
          const fingerprint = `fingerprint-${who}`;
          const own = lists.entry({ fingerprint, variant: "v" }, CALLERS[who] ?? "");
          if (act === "set") await own.set(listOf(who, now));
          else if (act === "tryLock") expect(typeof (await own.tryLock(1000))).toBe("boolean");
          else if (act !== "get") await own[act]();
          if (act === "purge") purgedAt = purgedAt.map((at, index) => (index === who ? now : at));
          if (act !== "get") continue;
          const list = await own.get();
          looked[list === undefined ? "none" : "own"]++;
          if (list === undefined) continue;
          expect(list).toEqual(listOf(who, list.storedAt));
          expect(list.storedAt).toBeGreaterThan(purgedAt[who] ?? -1);
        }
      }),
      { numRuns: 60 },
    );
    expect(Math.min(looked.own, looked.none)).toBeGreaterThan(5);
  });
});
