import { LRUCache } from "lru-cache";
import type { Clock } from "../http/freshness.ts";
import type { LogFields } from "./log.ts";

/** Logs repeated failures in a few lines instead of one line each. */
export interface ThrottledLog {
  /** Failures with the same `name` count as repetitions; the fields describe this one. */
  failure(name: string, fields?: LogFields): void;
  recovered(): void;
}

const INTERVAL_MS = 60_000;
// Names are fixed texts, statuses and the runtime's error codes, so there are few.
const MAX_NAMES = 500;

interface Repeated {
  loggedAt: number;
  /** Failures since the last line. */
  suppressed: number;
}

/**
 * Logs the first failure of a name, then at most one a minute, with the number of `times` since the line before; logs
 * the recovery once, if a failure was logged. It has no timer: a recovery is logged when the next call succeeds.
 */
export function throttledLog(
  now: Clock,
  logFailure: (fields: LogFields) => void,
  logRecovery: (fields: LogFields) => void = () => {},
): ThrottledLog {
  const repeated = new LRUCache<string, Repeated>({ max: MAX_NAMES });
  let failingSince: number | undefined;
  let times = 0;
  return {
    failure(name, fields) {
      times++;
      const known = repeated.get(name) ?? { loggedAt: Number.NEGATIVE_INFINITY, suppressed: 0 };
      repeated.set(name, known);
      known.suppressed++;
      const sinceMs = now() - known.loggedAt;
      // Negative after the clock was set back, which must not suppress lines until it has caught up.
      if (sinceMs >= 0 && sinceMs < INTERVAL_MS) return;
      logFailure({ ...fields, times: known.suppressed });
      known.loggedAt = now();
      known.suppressed = 0;
      failingSince ??= now();
    },
    recovered() {
      if (failingSince === undefined) return;
      logRecovery({ times, seconds: Math.max(0, Math.round((now() - failingSince) / 1000)) });
      failingSince = undefined;
      times = 0;
    },
  };
}
