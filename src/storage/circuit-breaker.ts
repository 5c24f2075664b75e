import { withTimeout } from "../async/timeout.ts";
import { errorCode } from "../http/errors.ts";
import type { Clock } from "../http/freshness.ts";
import type { Log } from "../observability/log.ts";
import type { CircuitBreakerMetrics } from "../observability/metrics.ts";
import { throttledLog } from "../observability/throttled-log.ts";
import type { RemoteStore } from "./store.ts";

export type RemoteStoreCall = Exclude<keyof RemoteStore, "subscribe" | "label" | "writeMs">;

/** Circuit breaker around the remote store: failures and calls over 50 ms give undefined. */
export interface CircuitBreaker {
  /** `force`: the call is made even while the breaker is open. */
  execute<T>(call: RemoteStoreCall, work: () => Promise<T>, force?: "force"): Promise<T | undefined>;
  metrics(): CircuitBreakerMetrics;
}

const CALL_TIMEOUT_MS = 50;
const TIMEOUT_SLICES = 5;
/** Time the breaker stays open after a call that was too slow; then one call probes. */
const OPEN_MS = 500;

export function createCircuitBreaker(
  { label, writeMs }: Pick<RemoteStore, "label" | "writeMs">,
  now: Clock,
  log: Log,
): CircuitBreaker {
  // By kind of call: a Redis whose memory is full refuses writes and still reads.
  const failing = new Set<RemoteStoreCall>();
  // One name for all calls and errors: a store that is down fails in many ways.
  const storeLog = throttledLog(
    now,
    (fields) => log.warn(fields, `${label} unavailable, continuing without it`),
    (fields) => log.info(fields, `${label} recovered`),
  );
  let openedAt: number | undefined;
  let failures = 0;
  let shortCircuited = 0;

  function isOpen(): boolean {
    const openForMs = openedAt === undefined ? OPEN_MS : now() - openedAt;
    return openForMs >= 0 && openForMs < OPEN_MS;
  }

  function onSuccess(call: RemoteStoreCall): void {
    openedAt = undefined;
    if (failing.size === 0) return;
    // A successful write clears every failure state.
    if (call === "write") failing.clear();
    else failing.delete(call);
    if (failing.size === 0) storeLog.recovered();
  }

  function onFailure(call: RemoteStoreCall, error: string): void {
    failures++;
    failing.add(call);
    storeLog.failure("store", { error, call });
  }

  return {
    async execute(call, work, force) {
      // Background writes ignore the open breaker.
      const backgroundMs = call === "write" ? writeMs : undefined;
      if (isOpen() && force === undefined && backgroundMs === undefined) {
        shortCircuited++;
        return undefined;
      }
      // The breaker stays open for all other calls while this one probes.
      if (openedAt !== undefined) openedAt = now();
      const settled = Promise.resolve()
        .then(work)
        .then(
          (value) => ({ value }),
          (error: unknown) => ({ error: errorCode(error) }),
        );
      const outcome = await timeoutInSlices(settled, backgroundMs ?? CALL_TIMEOUT_MS);
      if (outcome !== undefined && "value" in outcome) {
        onSuccess(call);
        return outcome.value;
      }
      if (outcome === undefined) openedAt = now();
      onFailure(call, outcome?.error ?? "timeout");
      return undefined;
    },
    metrics: () => ({ failures, shortCircuited }),
  };
}

// Not one timer: in a process too busy to read replies, all of its time would pass with nothing read. Each slice lasts as
// long as the process was busy, and replies that came meanwhile are read before the next one ends.
async function timeoutInSlices<T>(settled: Promise<T>, ms: number): Promise<T | undefined> {
  let outcome: T | undefined;
  for (let slice = 0; slice < TIMEOUT_SLICES && outcome === undefined; slice++)
    outcome = await withTimeout(settled, ms / TIMEOUT_SLICES);
  return outcome;
}
