import type { Route } from "../http/canonical-path.ts";
import type { CacheLabel } from "../http/cache-status.ts";

/**
 * Is told what happens, to count it. All it hears are closed unions of our own words and numbers: nothing of a key, a
 * path or a model, so that nobody outside can make up names for what is counted.
 */
export interface MetricsRecorder {
  /** A request was answered: the one that a line of the log tells of. */
  readonly recordRequest: (
    room: Route["room"],
    status: number,
    cache: CacheLabel | undefined,
    ms: number,
  ) => void;
  /** Upstream was asked for a list, for `ms` since it was this list's turn. */
  readonly recordFetch: (outcome: FetchOutcome, ms: number) => void;
  /** A refresh in the background has ended. */
  readonly recordRefresh: (outcome: RefreshOutcome) => void;
  /** A passthrough call has begun (1) or is over (-1). */
  readonly recordStream: (change: 1 | -1) => void;
}

/** What can be asked at any time, and is not told. */
export interface MetricsSnapshot {
  readonly store: StoreSize;
  /** Where lists are shared with neighbours. */
  readonly shared: SharedStoreMetrics | undefined;
}

/** A page of figures, as the operator's tools read it. */
export interface MetricsPage {
  readonly contentType: string;
  readonly text: string;
}

export const FETCH_OUTCOMES = [
  "good",
  // 401, 408 or 425 or 429, another 4xx.
  "unauthorized",
  "limited",
  "rejected",
  // Any 5xx, nothing in time, nobody there, something that is no list.
  "error",
  "timeout",
  "unreachable",
  "invalid",
  // Its turn came too late, or never: that says nothing about upstream.
  "unasked",
] as const;
export type FetchOutcome = (typeof FETCH_OUTCOMES)[number];

export const REFRESH_OUTCOMES = ["upstream", "neighbour", "failed"] as const;
export type RefreshOutcome = (typeof REFRESH_OUTCOMES)[number];

/** Gives a status that is counted by itself, or 0 for all others: upstream may answer with any number. */
export function statusLabel(status: number): number {
  return COUNTED.has(status) ? status : 0;
}

// IANA's registry of 2026 without what nobody may send down, and 499: the caller left.
const COUNTED = new Set([
  200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 402,
  403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 425, 426,
  428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511,
]);

/** Counts nothing. */
export const noopMetrics: MetricsRecorder = {
  recordRequest() {},
  recordFetch() {},
  recordRefresh() {},
  recordStream() {},
};

export interface SharedStoreMetrics extends CircuitBreakerMetrics {
  readonly hits: number;
  readonly misses: number;
  /** Values that did not open: damaged, cut, another caller's, of another format. */
  readonly undecryptable: number;
}

export interface CircuitBreakerMetrics {
  /** Calls that failed or took too long. */
  readonly failures: number;
  /** Calls not made because one was too slow just before. */
  readonly shortCircuited: number;
}

export interface StoreSize {
  readonly lists: number;
  readonly bytes: number;
  readonly evictions: number;
}
