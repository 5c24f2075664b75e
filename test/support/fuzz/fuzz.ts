import * as fc from "fast-check";
import { rounds } from "./operations.ts";
import { runRound, type Start } from "./run.ts";
import { createCounters } from "./counters.ts";

export interface FuzzScale {
  /** How many operations in all, at least. */
  readonly operations: number;
  readonly seed: number;
  /** The one round to repeat, as a report named it. */
  readonly path?: string | undefined;
  /** How long the several Keylanes behind one address need to hear of one another's purges; 0 for one alone. */
  readonly hearingMs?: number;
}

export interface FuzzResult {
  /** What was wrong first, how to do it again, and what had led to it. */
  readonly violation: string | undefined;
  readonly operations: number;
  /** How often each kind of thing has happened. */
  readonly counts: ReadonlyMap<string, number>;
}

const STEPS = 500;

/**
 * Runs many clients against a Keylane, round after round, and ends with the first response that a client must not be
 * given. What is done follows from the seed; when each thing happens is chance. So nothing is made shorter after a
 * failure, which might not come back: the report shows the last that was done to the client concerned.
 */
export async function fuzz(
  start: Start,
  { operations, seed, path = "", hearingMs = 0 }: FuzzScale,
): Promise<FuzzResult> {
  const seen = createCounters();
  const property = fc.asyncProperty(rounds(STEPS), async (round) => {
    const violation = await runRound(start, round, seen, hearingMs);
    if (violation !== undefined) throw new Error(violation);
  });
  const numRuns = path === "" ? Math.ceil(operations / STEPS) : 1;
  const details = await fc.check(property, { seed, path, numRuns, endOnFailure: true, unbiased: true });
  const { errorInstance: error, counterexamplePath } = details;
  const fault = error instanceof Error ? error.message : String(error);
  return {
    violation: details.failed ? `SEED=${seed} ROUND=${counterexamplePath}: ${fault}` : undefined,
    operations: seen.operations,
    counts: seen.counts,
  };
}
