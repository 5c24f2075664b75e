// A remote store that fails in any way causes no error, no other client's list and no list from before a purge.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codecs } from "../../src/node/codecs.ts";
import { createSharedCache } from "../../src/storage/shared-store.ts";
import type { StoredList } from "../../src/storage/store.ts";
import { createChaosStore, CHAOS_ACTIONS } from "../support/chaos-store.ts";

const SETTINGS = {
  secret: "a secret that all processes share",
  maxAgeMs: 60_000,
  staleWhileRevalidateMs: 60_000,
  staleIfErrorMs: 600_000,
  refusalMaxAgeMs: 5000,
};
const CREDENTIALS = ["sk-nano-test-alice", "sk-nano-test-bob"] as const;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

const step = fc.record({
  client: fc.nat({ max: 1 }),
  call: fc.constantFrom("get", "get", "set", "delete", "purge", "tryLock", "unlock"),
});

function listOf(client: number, storedAt: number): StoredList {
  const bytes = new TextEncoder().encode(`the list of ${CREDENTIALS[client]} at ${storedAt}`);
  const original = {
    coding: "identity",
    bytes: new Uint8Array(bytes),
    etag: `W/"${"e".repeat(27)}"`,
  } as const;
  return { storedAt, isEmpty: false, isBasic: false, original, views: new Map() };
}

describe("whatever a remote store does", () => {
  test("a client gets its own list or none, never an error, and never waits long", async () => {
    const results = { own: 0, none: 0 };
    const anyActions = fc.array(fc.constantFrom(...CHAOS_ACTIONS), { maxLength: 20 });
    const anySteps = fc.array(step, { minLength: 4, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(anyActions, anySteps, async (actions, steps) => {
        let now = 1_800_000_000_000;
        const shared = createSharedCache(createChaosStore(actions), SETTINGS, {
          codecs,
          now: () => now,
          log: silent,
          local: { fingerprints: () => [], invalidate: () => {} },
        });
        let purgedAt = [-1, -1];
        for (const { client, call } of steps) {
          // Longer than the circuit breaker stays open.
          now += 600;
          const fingerprint = `fingerprint-${client}`;
          const entry = shared.entry({ fingerprint, variant: "v" }, CREDENTIALS[client] ?? "");
          if (call === "set") await entry.set(listOf(client, now));
          else if (call === "tryLock") expect(typeof (await entry.tryLock(1000))).toBe("boolean");
          else if (call !== "get") await entry[call]();
          if (call === "purge") purgedAt = purgedAt.map((at, index) => (index === client ? now : at));
          if (call !== "get") continue;
          const list = await entry.get();
          results[list === undefined ? "none" : "own"]++;
          if (list === undefined) continue;
          expect(list).toEqual(listOf(client, list.storedAt));
          expect(list.storedAt).toBeGreaterThan(purgedAt[client] ?? -1);
        }
      }),
      { numRuns: 60 },
    );
    expect(Math.min(results.own, results.none)).toBeGreaterThan(5);
  });
});
