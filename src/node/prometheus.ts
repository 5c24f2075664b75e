import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import {
  statusLabel,
  FETCH_OUTCOMES,
  REFRESH_OUTCOMES,
  type MetricsPage,
  type MetricsRecorder,
  type MetricsSnapshot,
} from "../observability/metrics.ts";
import { VERSION } from "../version.ts";

/** Figures for Prometheus: `observe` counts, `page` writes them down. */
export interface PrometheusMetrics {
  readonly recorder: MetricsRecorder;
  readonly page: (standing: MetricsSnapshot) => Promise<MetricsPage>;
}

// NanoGPT's lists take tenths of a second; LIST_TIMEOUT is 4 s unless changed.
const UPSTREAM_BUCKETS_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 10];

interface RequestCount {
  readonly labels: { readonly route: string; readonly status: string; readonly cache: string };
  count: number;
}

/** Makes the figures of one process. `maxBytes` is what its store may hold. */
export function createPrometheusMetrics(maxBytes: number): PrometheusMetrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name: `keylane_${name}`, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge({ name: `keylane_${name}`, help, labelNames, registers });

  const requests = counter("requests_total", "Requests answered, and what the cache had to do with it.", [
    "route",
    "status",
    "cache",
  ]);
  const upstream = new Histogram({
    name: "keylane_upstream_seconds",
    help: "How long NanoGPT took for a list, and what came of it.",
    labelNames: ["outcome"],
    buckets: UPSTREAM_BUCKETS_SECONDS,
    registers,
  });
  const unasked = counter(
    "upstream_unasked_total",
    "Lists whose turn to be asked for did not come in time: too many at once.",
  );
  const refreshes = counter("refreshes_total", "Refreshes in the background, and where the list came from.", [
    "outcome",
  ]);
  const streams = gauge("open_streams", "Passthrough calls whose answer is not over.");
  const lists = gauge("stored_lists", "Lists in memory.");
  const bytes = gauge("stored_bytes", "Bytes that the lists in memory take.");
  const evictions = counter("evictions_total", "Lists that had to leave memory for others.");
  gauge("stored_max_bytes", "What MEMORY_MAX_SIZE allows.").set(maxBytes);
  gauge("build_info", "1, with the version.", ["version"]).set({ version: VERSION }, 1);
  // From the first, so that the first of each is seen as an increase.
  for (const outcome of FETCH_OUTCOMES) if (outcome !== "unasked") upstream.zero({ outcome });
  for (const outcome of REFRESH_OUTCOMES) refreshes.inc({ outcome }, 0);

  const tally = requestCounters();
  // What should never be is watched for: a series that begins with 1 shows no increase.
  for (const room of ["models", "model"]) tally.of(room, 500, "none");
  let writeShared: ((shared: NonNullable<MetricsSnapshot["shared"]>) => void) | undefined;
  let isWatchingProcess = false;

  // Where there are neighbours, so that figures of nothing are no figures.
  function sharedFigures() {
    const reads = counter("shared_reads_total", "Lists looked for in the shared store.", ["outcome"]);
    const unopened = counter("shared_unopened_total", "Values in the shared store that did not open.");
    const failures = counter("shared_failures_total", "Calls to the shared store that failed or were late.");
    const skipped = counter("shared_skipped_total", "Calls not made, since one was too slow just before.");
    return (shared: NonNullable<MetricsSnapshot["shared"]>) => {
      for (const one of [reads, unopened, failures, skipped]) one.reset();
      reads.inc({ outcome: "hit" }, shared.hits);
      reads.inc({ outcome: "miss" }, shared.misses);
      unopened.inc(shared.undecryptable);
      failures.inc(shared.failures);
      skipped.inc(shared.shortCircuited);
    };
  }

  return {
    recorder: {
      recordRequest: (room, status, cache) => void tally.of(room, status, cache ?? "none").count++,
      recordFetch(outcome, ms) {
        if (outcome === "unasked") unasked.inc();
        else upstream.observe({ outcome }, Math.max(0, ms) / 1000);
      },
      recordRefresh: (outcome) => refreshes.inc({ outcome }),
      recordStream: (change) => streams.inc(change),
    },
    async page({ store, shared }) {
      // Only now: whoever never looks need not pay for it. Its figures of time count from here on.
      if (!isWatchingProcess) collectDefaultMetrics({ register: registry });
      isWatchingProcess = true;
      requests.reset();
      for (const { labels, count } of tally.all) requests.inc(labels, count);
      lists.set(store.lists);
      bytes.set(store.bytes);
      evictions.reset();
      evictions.inc(store.evictions);
      if (shared !== undefined) (writeShared ??= sharedFigures())(shared);
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

/** Counts by three words without making anything of them on the way: each hit passes here (test/bench/hit.ts). */
function requestCounters() {
  const all: RequestCount[] = [];
  const rooms = new Map<string, Map<number, Map<string, RequestCount>>>();

  function of(room: string, status: number, cache: string): RequestCount {
    const counted = statusLabel(status);
    return rooms.get(room)?.get(counted)?.get(cache) ?? added(room, counted, cache);
  }

  function added(route: string, status: number, cache: string): RequestCount {
    const made = { labels: { route, status: status === 0 ? "other" : String(status), cache }, count: 0 };
    const statuses = rooms.get(route) ?? new Map<number, Map<string, RequestCount>>();
    const words = statuses.get(status) ?? new Map<string, RequestCount>();
    rooms.set(route, statuses.set(status, words.set(cache, made)));
    all.push(made);
    return made;
  }

  return { all, of };
}
