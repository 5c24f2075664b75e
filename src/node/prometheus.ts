import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import {
  FETCH_OUTCOMES,
  REFRESH_OUTCOMES,
  type MetricsPage,
  type MetricsRecorder,
  type MetricsSnapshot,
} from "../observability/metrics.ts";
import { VERSION } from "../version.ts";

/** Metrics for Prometheus: `recorder` counts, `page` renders them. */
export interface PrometheusMetrics {
  readonly recorder: MetricsRecorder;
  readonly page: (snapshot: MetricsSnapshot) => Promise<MetricsPage>;
}

// NanoGPT's lists take tenths of a second; LIST_TIMEOUT is 4 s unless changed.
const UPSTREAM_BUCKETS_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 10];

interface RequestCount {
  readonly labels: { readonly route: string; readonly status: string; readonly cache: string };
  count: number;
}

/** Makes the metrics of one process. `maxBytes` is MEMORY_MAX_SIZE. */
export function createPrometheusMetrics(maxBytes: number): PrometheusMetrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name: `keylane_${name}`, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge({ name: `keylane_${name}`, help, labelNames, registers });

  const requests = counter("requests_total", "Requests answered, by route, status and cache outcome.", [
    "route",
    "status",
    "cache",
  ]);
  const upstream = new Histogram({
    name: "keylane_upstream_seconds",
    help: "Duration of list fetches from NanoGPT, by outcome.",
    labelNames: ["outcome"],
    buckets: UPSTREAM_BUCKETS_SECONDS,
    registers,
  });
  const notAttempted = counter(
    "upstream_not_attempted_total",
    "List fetches not attempted: too many at once, no slot in time.",
  );
  const refreshes = counter("refreshes_total", "Background refreshes, by source of the list or failed.", ["outcome"]);
  const streams = gauge("open_streams", "Passthrough calls in flight.");
  const lists = gauge("stored_lists", "Lists in memory.");
  const bytes = gauge("stored_bytes", "Bytes used by the lists in memory.");
  const evictions = counter("evictions_total", "Lists evicted from memory.");
  gauge("stored_max_bytes", "Limit of stored_bytes: MEMORY_MAX_SIZE.").set(maxBytes);
  gauge("build_info", "Constant 1, labelled with the version.", ["version"]).set({ version: VERSION }, 1);
  // Present from the start: a series that begins at 1 would show no increase.
  for (const outcome of FETCH_OUTCOMES) if (outcome !== "not_attempted") upstream.zero({ outcome });
  for (const outcome of REFRESH_OUTCOMES) refreshes.inc({ outcome }, 0);

  const counters = requestCounters();
  // Likewise for the series of an alert.
  for (const route of ["models", "model"]) counters.of(route, 500, "none");
  let writeShared: ((shared: NonNullable<MetricsSnapshot["shared"]>) => void) | undefined;
  let collectsDefaults = false;

  // Registered only where there is a shared store.
  function registerShared() {
    const reads = counter("shared_reads_total", "Reads of lists from the shared store, by outcome.", ["outcome"]);
    const undecryptable = counter(
      "shared_undecryptable_total",
      "Values in the shared store that could not be decrypted.",
    );
    const failures = counter("shared_failures_total", "Calls to the shared store that failed or timed out.");
    const shortCircuited = counter(
      "shared_short_circuited_total",
      "Calls to the shared store not made, because one had just timed out.",
    );
    return (shared: NonNullable<MetricsSnapshot["shared"]>) => {
      for (const metric of [reads, undecryptable, failures, shortCircuited]) metric.reset();
      reads.inc({ outcome: "hit" }, shared.hits);
      reads.inc({ outcome: "miss" }, shared.misses);
      undecryptable.inc(shared.undecryptable);
      failures.inc(shared.failures);
      shortCircuited.inc(shared.shortCircuited);
    };
  }

  return {
    recorder: {
      recordRequest: (route, status, cache) => void counters.of(route, status, cache ?? "none").count++,
      recordFetch(outcome, ms) {
        if (outcome === "not_attempted") notAttempted.inc();
        else upstream.observe({ outcome }, Math.max(0, ms) / 1000);
      },
      recordRefresh: (outcome) => refreshes.inc({ outcome }),
      recordStream: (change) => streams.inc(change),
    },
    async page({ store, shared }) {
      // prom-client's own metrics are collected from the first request of this page on.
      if (!collectsDefaults) collectDefaultMetrics({ register: registry });
      collectsDefaults = true;
      requests.reset();
      for (const { labels, count } of counters.all) requests.inc(labels, count);
      lists.set(store.lists);
      bytes.set(store.bytes);
      evictions.reset();
      evictions.inc(store.evictions);
      if (shared !== undefined) (writeShared ??= registerShared())(shared);
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

/** Counts by three labels without allocating, since every hit is counted (test/bench/metrics-recording.ts). */
function requestCounters() {
  const all: RequestCount[] = [];
  const routes = new Map<string, Map<number, Map<string, RequestCount>>>();

  function of(route: string, status: number, cache: string): RequestCount {
    const label = statusLabel(status);
    return routes.get(route)?.get(label)?.get(cache) ?? add(route, label, cache);
  }

  function add(route: string, status: number, cache: string): RequestCount {
    const count = { labels: { route, status: status === 0 ? "other" : String(status), cache }, count: 0 };
    const statuses = routes.get(route) ?? new Map<number, Map<string, RequestCount>>();
    const labels = statuses.get(status) ?? new Map<string, RequestCount>();
    routes.set(route, statuses.set(status, labels.set(cache, count)));
    all.push(count);
    return count;
  }

  return { all, of };
}

/** The status if it has its own label, else 0: upstream may send any number. */
function statusLabel(status: number): number {
  return COUNTED.has(status) ? status : 0;
}

// IANA's registry of 2026 without the statuses that no server may send, and 499 (the client closed the connection).
const COUNTED = new Set([
  200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 402, 403, 404,
  405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451,
  499, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511,
]);
