import { describe, expect, inject, test } from "vitest";
import { interleave } from "../support/fuzz/fuzz.ts";
import { runtime, startKeylane } from "../support/keylane.ts";

// SEED and STRETCH from a report do the same things again; when each of them happens is still chance.
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const path = process.env["STRETCH"];
const operations = inject("operations");

/** What must have happened in 5,000 operations, each so often at least: about a fifth of what is usual. */
const OFTEN: Readonly<Record<string, number>> = {
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
  "purge during a flight": 5,
  "flight during which a 401 was told": 10,
  "two flights of one question": 5,
};

describe("however requests, purges, revocations and faults cross", { retry: 0 }, () => {
  test("every key is given its own lists alone, and none from before a purge or a 401", async () => {
    // Written at once: a run that never ends must have said what it was doing.
    process.stderr.write(`interleavings: seed ${seed}, ${operations} operations on ${runtime}\n`);
    const extent = { operations, seed, path };
    const { violation, counts, operations: done } = await interleave(startKeylane, extent);
    if (violation !== undefined) expect.fail(violation);
    if (path !== undefined) return;
    expect(done).toBeGreaterThanOrEqual(operations);
    const rare = Object.entries(OFTEN).filter(
      ([kind, least]) => (counts.get(kind) ?? 0) < (least * operations) / 5000,
    );
    expect(rare, JSON.stringify(Object.fromEntries(counts))).toEqual([]);
  }, 900_000);
});
