import { withTimeout } from "../async/timeout.ts";
import type { Clock } from "../http/freshness.ts";

/** Work that concurrent callers share: one `run` per `key` at a time. */
export interface Shareable<T> {
  readonly key: string;
  /** Must settle. `flight.isSuperseded` turns true when another run has taken over from an overdue one. */
  readonly run: (flight: Flight) => Promise<T>;
  /** Keeps the runtime awake for a run that this call has started. */
  readonly waitUntil: (work: Promise<unknown>) => void;
}

export interface Flight {
  readonly isSuperseded: boolean;
}

export interface SingleFlight<T> {
  /** Joins the run in flight for this key, or starts one. `isCollapsed`: another call had started it. */
  do(work: Shareable<T>): { readonly result: Promise<T>; readonly isCollapsed: boolean };
  /**
   * The same, and waits for the result until `deadline` (ms since the epoch). Gives undefined when the deadline comes
   * first; the run goes on. A run that is overdue meanwhile is superseded by one that this call starts.
   */
  wait(
    work: Shareable<T>,
    deadline: number,
  ): Promise<{ readonly result: T | undefined; readonly isCollapsed: boolean }>;
}

/** A run still pending so long after its time limit belongs to a request that died, as requests on Workers can. */
export const OVERDUE_GRACE_MS = 200;

interface InFlight<T> {
  readonly overdueAt: number;
  readonly result: Promise<T>;
  isSuperseded: boolean;
}

/** A run has `timeoutMs`, which it enforces itself. */
export function createSingleFlight<T>(timeoutMs: number, now: Clock): SingleFlight<T> {
  const inFlight = new Map<string, InFlight<T>>();

  function getOrStart({ key, run, waitUntil }: Shareable<T>): { flight: InFlight<T>; isCollapsed: boolean } {
    const known = inFlight.get(key);
    if (known !== undefined && now() < known.overdueAt) return { flight: known, isCollapsed: true };
    if (known !== undefined) known.isSuperseded = true;
    const flight: InFlight<T> = {
      overdueAt: now() + timeoutMs + OVERDUE_GRACE_MS,
      result: Promise.resolve()
        .then(() => run(flight))
        .finally(() => {
          if (inFlight.get(key) === flight) inFlight.delete(key);
        }),
      isSuperseded: false,
    };
    inFlight.set(key, flight);
    // From the first moment: a client that leaves must not end the run for the others.
    waitUntil(flight.result);
    return { flight, isCollapsed: false };
  }

  return {
    do(work) {
      const { flight, isCollapsed } = getOrStart(work);
      return { result: flight.result, isCollapsed };
    },
    async wait(work, deadline) {
      for (;;) {
        const { flight, isCollapsed } = getOrStart(work);
        const result = await withTimeout(flight.result, Math.min(deadline, flight.overdueAt) - now());
        if (result !== undefined || deadline <= flight.overdueAt) return { result, isCollapsed };
      }
    },
  };
}
