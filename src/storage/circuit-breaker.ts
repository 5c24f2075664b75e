import type { Log } from "../observability/log.ts";
import type { RemoteStore } from "./store.ts";
import { throttledLog } from "../observability/throttled-log.ts";
import { withTimeout } from "../async/timeout.ts";
import { errorCode } from "../http/errors.ts";
import type { CircuitBreakerMetrics } from "../observability/metrics.ts";

export type RemoteStoreCall = Exclude<keyof RemoteStore, "onPurge">;

/** Calls a vault so that it is never an error and hardly a wait: what fails or is slow gives undefined. */
export interface CircuitBreaker {
  /** What is urgent is tried even where the vault was too slow just before. */
  execute<T>(what: RemoteStoreCall, work: () => Promise<T>, urgent?: "urgent"): Promise<T | undefined>;
  metrics(): CircuitBreakerMetrics;
}

// A vault that takes longer is an empty one.
const CALL_TIMEOUT_MS = 50;
// In which this process is to look for an answer.
const STEPS = 5;
// So long nobody waits for a vault that was too slow; then one caller tries again.
const OPEN_MS = 500;

/** A write may take `writeMs` where that is given. `now` gives milliseconds since the epoch. */
export function createCircuitBreaker(now: () => number, log: Log, writeMs?: number): CircuitBreaker {
  // What fails by its kind: full memory refuses to write, and reads well.
  const failing = new Set<RemoteStoreCall>();
  // By one name, whatever the call and the fault: a store that is down fails in many ways.
  const troubled = throttledLog(
    now,
    (fields) => log.warn(fields, "shared store fails: going on without it"),
    (fields) => log.info(fields, "shared store works again"),
  );
  let slowAt: number | undefined;
  let failures = 0;
  let shortCircuited = 0;

  function isResting(): boolean {
    const restedMs = slowAt === undefined ? OPEN_MS : now() - slowAt;
    return restedMs >= 0 && restedMs < OPEN_MS;
  }

  function succeeded(what: RemoteStoreCall): void {
    slowAt = undefined;
    if (failing.size === 0) return;
    // Who can write can do all the rest.
    if (what === "write") failing.clear();
    else failing.delete(what);
    if (failing.size === 0) troubled.recovered();
  }

  function failed(what: RemoteStoreCall, fault: string): void {
    failures++;
    failing.add(what);
    troubled.failure("store", { fault, call: what });
  }

  return {
    async execute(what, work, urgent) {
      // What nobody waits for needs no rest.
      const ownMs = what === "write" ? writeMs : undefined;
      if (isResting() && urgent === undefined && ownMs === undefined) {
        shortCircuited++;
        return undefined;
      }
      // The others rest while one tries.
      if (slowAt !== undefined) slowAt = now();
      const told = Promise.resolve()
        .then(work)
        .then(
          (value) => ({ value }),
          (fault: unknown) => ({ fault: errorCode(fault) }),
        );
      const outcome = await timeoutInSlices(told, ownMs ?? CALL_TIMEOUT_MS);
      if (outcome !== undefined && "value" in outcome) {
        succeeded(what);
        return outcome.value;
      }
      if (outcome === undefined) slowAt = now();
      failed(what, outcome?.fault ?? "late");
      return undefined;
    },
    metrics: () => ({ failures, shortCircuited }),
  };
}

// Not by one timer: where this process is too busy to look, all its time is over with nothing read. Each step lasts as
// long as the process was busy, and what has come meanwhile is read before the next one ends.
async function timeoutInSlices<T>(told: Promise<T>, ms: number): Promise<T | undefined> {
  let outcome: T | undefined;
  for (let step = 0; step < STEPS && outcome === undefined; step++)
    outcome = await withTimeout(told, ms / STEPS);
  return outcome;
}
