import type { MetricsRecorder } from "../observability/metrics.ts";

/** The binding of an Analytics Engine dataset. */
export interface Dataset {
  writeDataPoint(point: DataPoint): void;
}

/** A row of the dataset; the README describes its columns. */
export interface DataPoint {
  readonly indexes: readonly [string];
  readonly blobs: readonly string[];
  readonly doubles: readonly number[];
}

export function isDataset(binding: unknown): binding is Dataset {
  return (
    typeof binding === "object" &&
    binding !== null &&
    "writeDataPoint" in binding &&
    typeof binding.writeDataPoint === "function"
  );
}

/**
 * Writes a data point for each request, list fetch and refresh. None identifies a client, since a dataset is kept for months.
 */
export function createAnalyticsEngine(dataset: Dataset): MetricsRecorder {
  function write(event: string, blobs: readonly string[], doubles: readonly number[]): void {
    try {
      dataset.writeDataPoint({ indexes: [event], blobs, doubles });
    } catch {
      // The number of points per request is limited; a missing one is not an error.
    }
  }
  return {
    recordRequest: (route, status, cache, ms) => write("request", [route, cache ?? "none"], [ms, status]),
    recordFetch: (outcome, ms) => write("fetch", [outcome], [ms]),
    recordRefresh: (outcome) => write("refresh", [outcome], []),
    // A Worker does not learn when a response has ended.
    recordStream() {},
  };
}
