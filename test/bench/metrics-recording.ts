import { noopMetrics, type MetricsRecorder } from "../../src/observability/metrics.ts";
import { createPrometheusMetrics } from "../../src/node/prometheus.ts";

// Cost of counting a hit: time per recorded request, in interleaved rounds of one run, compared with a recorder that does
// nothing and with a prom-client counter whose labels are resolved beforehand.

const ROUNDS = 9;
const CALLS = 1_000_000;

const { Counter, Registry } = await import("prom-client");
const labelNames = ["route", "status", "cache"];
const counter = new Counter({
  name: "requests_total",
  help: "Requests.",
  labelNames,
  registers: [new Registry()],
});
const labelled = counter.labels("models", "200", "hit");

const recorders: Record<string, MetricsRecorder["recordRequest"]> = {
  "no metrics": noopMetrics.recordRequest,
  "keylane's metrics": createPrometheusMetrics(1).recorder.recordRequest,
  "prom-client, labels resolved": () => labelled.inc(),
};
const candidates = Object.entries(recorders).map(([name, record]) => ({
  name,
  record,
  nanos: [] as number[],
}));
for (let round = 0; round <= ROUNDS; round++) {
  for (const { record, nanos } of candidates) {
    const startedAt = process.hrtime.bigint();
    for (let i = 0; i < CALLS; i++) record("models", 200, "hit", 0);
    if (round > 0) nanos.push(Number(process.hrtime.bigint() - startedAt) / CALLS);
  }
}
for (const { name, nanos } of candidates) console.log(`${name}: ${median(nanos).toFixed(1)} ns per request`);

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
