import * as fc from "fast-check";
import { stretches } from "./operations.ts";
import { live, type Start } from "./run.ts";
import { tally } from "./counters.ts";

export interface Extent {
  /** How many operations in all, at least. */
  readonly operations: number;
  readonly seed: number;
  /** The one stretch to live through again, as a report named it. */
  readonly path?: string | undefined;
  /** How long the several Keylanes behind one address need to hear of one another's purges; 0 for one alone. */
  readonly hearingMs?: number;
}

export interface Interleaved {
  /** What was wrong first, how to do it again, and what had led to it. */
  readonly violation: string | undefined;
  readonly operations: number;
  /** How often each kind of thing has happened. */
  readonly counts: ReadonlyMap<string, number>;
}

const STEPS = 500;

/**
 * Lets many callers at any Keylane, stretch after stretch, and ends with the first answer that nobody should have been
 * given. What is done follows from the seed; when each thing happens is chance. So nothing is made shorter after a
 * failure, which might not come back: the report shows the last that was done to the caller concerned.
 */
export async function interleave(
  start: Start,
  { operations, seed, path = "", hearingMs = 0 }: Extent,
): Promise<Interleaved> {
  const seen = tally();
  const property = fc.asyncProperty(stretches(STEPS), async (stretch) => {
    const violation = await live(start, stretch, seen, hearingMs);
    if (violation !== undefined) throw new Error(violation);
  });
  const numRuns = path === "" ? Math.ceil(operations / STEPS) : 1;
  const details = await fc.check(property, { seed, path, numRuns, endOnFailure: true, unbiased: true });
  const { errorInstance: error, counterexamplePath } = details;
  const fault = error instanceof Error ? error.message : String(error);
  return {
    violation: details.failed ? `SEED=${seed} STRETCH=${counterexamplePath}: ${fault}` : undefined,
    operations: seen.operations,
    counts: seen.counts,
  };
}
