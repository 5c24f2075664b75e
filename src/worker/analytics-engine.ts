import type { MetricsRecorder } from "../observability/metrics.ts";

/** What a Worker can do with a dataset of Analytics Engine. */
export interface Dataset {
  writeDataPoint(point: DataPoint): void;
}

/** A row of that dataset. The README says what stands where. */
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
 * Writes a point for each request, each list that upstream was asked for and each refresh. No point holds anything that
 * names a caller: a dataset is kept for months.
 */
export function createAnalyticsEngine(dataset: Dataset): MetricsRecorder {
  function write(what: string, blobs: readonly string[], doubles: readonly number[]): void {
    try {
      dataset.writeDataPoint({ indexes: [what], blobs, doubles });
    } catch {
      // A request may write so many and no more; a figure that is missing is never an error.
    }
  }
  return {
    recordRequest: (room, status, cache, ms) => write("request", [room, cache ?? "none"], [ms, status]),
    recordFetch: (outcome, ms) => write("fetch", [outcome], [ms]),
    recordRefresh: (outcome) => write("refresh", [outcome], []),
    // A Worker does not learn when an answer is over.
    recordStream() {},
  };
}
