import type { CacheLabel } from "../http/cache-headers.ts";
import type { Route } from "../http/canonical-path.ts";

/**
 * Counts what happens. Its arguments are closed unions and numbers, nothing of a key, a path or a model, so that no client
 * and no upstream can add a label value.
 */
export interface MetricsRecorder {
  /** A request was answered; the access log has a line for it too. */
  readonly recordRequest: (route: Route["kind"], status: number, cache: CacheLabel | undefined, ms: number) => void;
  /** A list fetch has ended, `ms` after it got its slot. */
  readonly recordFetch: (outcome: FetchOutcome, ms: number) => void;
  /** A background refresh has ended. */
  readonly recordRefresh: (outcome: RefreshOutcome) => void;
  /** A passthrough call has begun (1) or is over (-1). */
  readonly recordStream: (change: 1 | -1) => void;
}

/** State that is read when the metrics page is rendered. */
export interface MetricsSnapshot {
  readonly store: StoreSize;
  /** Undefined where no store is shared with peers. */
  readonly shared: SharedStoreMetrics | undefined;
}

/** The page of `/metrics`. */
export interface MetricsPage {
  readonly contentType: string;
  readonly text: string;
}

export const FETCH_OUTCOMES = [
  "good",
  // 401, 408 or 425 or 429, another 4xx.
  "unauthorized",
  "rate_limited",
  "rejected",
  // Any 5xx, no response in time, no connection, a response that is not a list.
  "error",
  "timeout",
  "unreachable",
  "invalid",
  // No slot in time; this says nothing about upstream.
  "not_attempted",
] as const;
export type FetchOutcome = (typeof FETCH_OUTCOMES)[number];

export const REFRESH_OUTCOMES = ["upstream", "peer", "failed"] as const;
export type RefreshOutcome = (typeof REFRESH_OUTCOMES)[number];

/** For METRICS=false. */
export const noopMetrics: MetricsRecorder = {
  recordRequest() {},
  recordFetch() {},
  recordRefresh() {},
  recordStream() {},
};

export interface SharedStoreMetrics extends CircuitBreakerMetrics {
  readonly hits: number;
  readonly misses: number;
  /** Values that could not be decrypted: damaged, truncated, another client's or of another format. */
  readonly undecryptable: number;
}

export interface CircuitBreakerMetrics {
  /** Calls that failed or timed out. */
  readonly failures: number;
  /** Calls not made because an earlier one had just timed out. */
  readonly shortCircuited: number;
}

export interface StoreSize {
  readonly lists: number;
  readonly bytes: number;
  readonly evictions: number;
}
