// Under random interleavings of requests, purges, revocations and failures, no key gets another key's list or an invalidated one.
import { describe, expect, inject, test } from "vitest";
import { fuzz } from "../support/fuzz/fuzz.ts";
import { runtime, startKeylane } from "../support/keylane.ts";

// SEED and ROUND from a report repeat the same operations; their timing still varies.
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const path = process.env["ROUND"];
const operations = inject("operations");

/** Minimum occurrences in 5,000 operations: about a fifth of the usual number. */
const MIN_COUNTS: Readonly<Record<string, number>> = {
  "fresh hit": 200,
  "fwd=uri-miss": 200,
  "fwd=stale": 15,
  "fwd=request": 20,
  "fwd=bypass": 10,
  "detail=refreshing": 10,
  "detail=upstream-failed": 8,
  collapsed: 20,
  left: 50,
  304: 15,
  401: 80,
  403: 5,
  429: 8,
  502: 40,
  503: 2,
  model_not_found: 30,
  not_cached: 15,
  purge: 15,
  "purge during a fetch": 5,
  "fetch in flight during a 401": 10,
  "overlapping fetches of one query": 5,
};

describe("while requests, purges, revocations and failures interleave at random", { retry: 0 }, () => {
  test("every key gets only its own lists, and none from before a purge or a 401", async () => {
    // Printed first, so that a run that hangs can be reproduced.
    process.stderr.write(`concurrency fuzz: seed ${seed}, ${operations} operations on ${runtime}\n`);
    const scale = { operations, seed, path };
    const { violation, counts, operations: done } = await fuzz(startKeylane, scale);
    if (violation !== undefined) expect.fail(violation);
    if (path !== undefined) return;
    expect(done).toBeGreaterThanOrEqual(operations);
    const rare = Object.entries(MIN_COUNTS).filter(
      ([kind, minimum]) => (counts.get(kind) ?? 0) < (minimum * operations) / 5000,
    );
    expect(rare, JSON.stringify(Object.fromEntries(counts))).toEqual([]);
  }, 900_000);
});
