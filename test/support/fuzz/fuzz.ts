import * as fc from "fast-check";
import { createCounters } from "./counters.ts";
import { rounds } from "./operations.ts";
import { runRound, type StartKeylane } from "./run.ts";

export interface FuzzOptions {
  /** Minimum number of operations. */
  readonly operations: number;
  readonly seed: number;
  /** Repeats only this round of a report. */
  readonly path?: string | undefined;
  /** Time that several Keylanes at one address need to announce a purge to each other; 0 for a single one. */
  readonly purgeDeliveryMs?: number;
}

export interface FuzzResult {
  /** The first violation, how to repeat it, and the trace that led to it. */
  readonly violation: string | undefined;
  readonly operations: number;
  /** How often each kind of event has occurred. */
  readonly counts: ReadonlyMap<string, number>;
}

const STEPS = 500;

/**
 * Runs rounds of operations by many clients against Keylane, up to the first answer that a client must not get. The
 * seed determines the operations but not their timing. So a failure may not recur and is not shrunk: the report shows
 * the last events of the client instead.
 */
export async function fuzz(
  start: StartKeylane,
  { operations, seed, path = "", purgeDeliveryMs = 0 }: FuzzOptions,
): Promise<FuzzResult> {
  const counters = createCounters();
  const property = fc.asyncProperty(rounds(STEPS), async (round) => {
    const violation = await runRound(start, round, counters, purgeDeliveryMs);
    if (violation !== undefined) throw new Error(violation);
  });
  const numRuns = path === "" ? Math.ceil(operations / STEPS) : 1;
  const details = await fc.check(property, { seed, path, numRuns, endOnFailure: true, unbiased: true });
  const { errorInstance: error, counterexamplePath } = details;
  const message = error instanceof Error ? error.message : String(error);
  return {
    violation: details.failed ? `SEED=${seed} ROUND=${counterexamplePath}: ${message}` : undefined,
    operations: counters.operations,
    counts: counters.counts,
  };
}
