import { LRUCache } from "lru-cache";
import type { LogFields } from "./log.ts";

/** Failures of one kind, told so that a thousand of them take a few lines: see `trouble`. */
export interface ThrottledLog {
  /** Something failed. What has the same name is the same failure again; the fields say more of this very one. */
  failure(name: string, fields?: LogFields): void;
  /** It went well. */
  recovered(): void;
}

const INTERVAL_MS = 60_000;
// Names are our own words, statuses and the runtime's codes: more of them come from nowhere.
const MAX_NAMES = 500;

interface Repeated {
  loggedAt: number;
  /** Failures that no line has told of yet. */
  suppressed: number;
}

/**
 * Tells of a failure when it begins, and again at most once a minute while it repeats, with the number of `times` since
 * the line before; of the end once, where a line told of the beginning. It has no timer: what nobody meets is not told.
 */
export function throttledLog(
  now: () => number,
  tell: (fields: LogFields) => void,
  tellWell: (fields: LogFields) => void = () => {},
): ThrottledLog {
  const repeated = new LRUCache<string, Repeated>({ max: MAX_NAMES });
  let toldSince: number | undefined;
  let times = 0;
  return {
    failure(name, fields) {
      times++;
      const known = repeated.get(name) ?? { loggedAt: Number.NEGATIVE_INFINITY, suppressed: 0 };
      repeated.set(name, known);
      known.suppressed++;
      const sinceMs = now() - known.loggedAt;
      // A clock that steps back must not make it silent for as long as the step was wide.
      if (sinceMs >= 0 && sinceMs < INTERVAL_MS) return;
      tell({ ...fields, times: known.suppressed });
      known.loggedAt = now();
      known.suppressed = 0;
      toldSince ??= now();
    },
    recovered() {
      if (toldSince === undefined) return;
      tellWell({ times, seconds: Math.max(0, Math.round((now() - toldSince) / 1000)) });
      toldSince = undefined;
      times = 0;
    },
  };
}
