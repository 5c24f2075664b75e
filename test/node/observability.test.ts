// The example dashboard and alert rules are valid, and every query and alert finds its metric in real traffic.
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { freePort } from "../support/free-port.ts";
import { describeWithPrometheus, OBSERVABILITY, startPrometheus, type Prometheus } from "../support/prometheus.ts";
import { ALICE, BOB, setup, type Setup } from "../support/setup.ts";

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
}
interface Rule {
  readonly alert: string;
  readonly expr: string;
}

const example = (name: string) => readFile(join(OBSERVABILITY, name), "utf8");
const { panels } = JSON.parse(await example("dashboard.json")) as { panels: readonly Panel[] };
const { groups } = parse(await example("alerts.yaml")) as { groups: readonly { rules: readonly Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);

/** The query that Grafana sends, for all instances and a short interval. */
const withVariables = (expression: string) =>
  expression.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*");
const queries = panels.flatMap(({ title, targets }) =>
  targets.map(({ expr, legendFormat }) => ({ title, expr: withVariables(expr), legendFormat })),
);

// The traffic below has no damaged value and no slow Redis, so these stay at 0.
const ALWAYS_ZERO = /shared_undecryptable|shared_short_circuited/;
// No request causes an internal error; the same query is tried with another status.
const INTERNAL_ERRORS = "KeylaneInternalErrors";

const SLOW_POLL = { timeout: 60_000, interval: 500 };
const KEYS = Array.from({ length: 140 }, (_, i) => `sk-nano-test-caller-${i}`);

function promtoolCheck(args: string[], input?: string) {
  const { status, stdout, stderr } = spawnSync("promtool", ["check", ...args], { input, encoding: "utf8" });
  return { status, output: stdout + stderr };
}

test("the dashboard's panels have distinct ids and do not overlap", () => {
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, i) => `${x + (i % w)} ${y + Math.floor(i / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBe(24);
});

describeWithPrometheus("examples/observability", { timeout: 150_000 }, () => {
  test("passes promtool's checks, and so does /metrics", async () => {
    for (const [kind, name] of [
      ["config", "prometheus.yml"],
      ["rules", "alerts.yaml"],
    ] as const)
      expect(promtoolCheck([kind, join(OBSERVABILITY, name)])).toMatchObject({ status: 0 });
    const { call } = await setup({ ...FAILURE_SETTINGS, REDIS_URL: `redis://127.0.0.1:${await freePort()}` });
    const { text } = await call("/metrics");
    expect(text).toContain("keylane_shared_reads_total");
    const complaints = promtoolCheck(["metrics"], text).output.split("\n");
    // The check rejects names that prom-client gives to Node's own metrics.
    expect(complaints.filter((line) => !/^(?:nodejs_|$)/.test(line))).toEqual([]);
  });

  test("finds every metric in real traffic, and fires every alert for the failing instance only", async () => {
    const healthy = await setup();
    const accounts = KEYS.map((key) => ({ key, visible: ["openai/gpt-4-turbo"] }));
    const failing = await setup({ ...FAILURE_SETTINGS, REDIS_URL: `redis://127.0.0.1:${await freePort()}` }, accounts);
    const targets = [hostOf(healthy), hostOf(failing), `127.0.0.1:${await freePort()}`] as const;
    const prometheus = await startPrometheus(targets);
    await expect.poll(async () => (await prometheus.query('up{job="keylane"} == 1')).length, SLOW_POLL).toBe(2);

    await Promise.all([causeFailures(failing), sendTraffic(healthy)]);
    const failedQueries = async () => {
      await sendTraffic(healthy);
      await failing.list(KEYS[0] ?? "");
      const errors = await Promise.all(queries.map((query) => queryError(prometheus, query)));
      return errors.filter((error) => error !== undefined);
    };
    await expect.poll(failedQueries, SLOW_POLL).toEqual([]);

    const alerts = async () =>
      (await prometheus.alerts()).map(({ labels }) => `${labels["alertname"]} ${labels["instance"]}`).sort();
    const [, failingHost, downHost] = targets;
    const expected = rules
      .filter(({ alert }) => alert !== INTERNAL_ERRORS)
      .map(({ alert }) => `${alert} ${alert === "KeylaneDown" ? downHost : failingHost}`);
    await expect.poll(alerts, SLOW_POLL).toEqual(expected.sort());
    expect(await prometheus.ruleErrors()).toEqual([]);
    const internalErrors = rules.find(({ alert }) => alert === INTERNAL_ERRORS)?.expr ?? "";
    expect((await prometheus.query(internalErrors.replace("500", "401"))).length).toBe(1);
  });
});

const FAILURE_SETTINGS = {
  MEMORY_MAX_SIZE: "32KB",
  CACHE_SECRET: "a secret that nobody can guess",
  LIST_TIMEOUT: "3s",
  MAX_AGE: "1h",
};

const hostOf = ({ keylane }: Setup) => new URL(keylane.url).host;

/** Describes what is wrong with the result of a dashboard query; undefined where nothing is. */
async function queryError(
  prometheus: Prometheus,
  { title, expr, legendFormat }: (typeof queries)[number],
): Promise<string | undefined> {
  const results = await prometheus.query(expr);
  const labels = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = ""]) => label);
  const hasLabels = results.every(({ metric }) => labels.every((label) => metric[label] !== undefined));
  const hasValue = results.some(({ value }) => (ALWAYS_ZERO.test(expr) ? value === 0 : value > 0));
  return hasLabels && hasValue ? undefined : `${title}: ${expr} finds ${JSON.stringify(results)}`;
}

/** Sends some traffic without failures. */
async function sendTraffic({ list, call, keylane, nano }: Setup): Promise<void> {
  await Promise.all([list(ALICE), list(ALICE), list(BOB)]);
  await list("sk-nano-nobody");
  await keylane.advance(70_000);
  await list(ALICE);
  await list(BOB, { headers: { "cache-control": "no-cache" } });
  // This call stays open until the next one, so that keylane_open_streams is not 0.
  nano.reset();
  const gate = nano.hold({ path: "/v1/echo", times: 1 });
  void call("/v1/echo").catch(() => {});
  await gate.arrived;
}

/** Causes a few failures of each kind. */
async function causeFailures({ list, nano }: Setup): Promise<void> {
  const all = (from: number, to: number) => Promise.all(KEYS.slice(from, to).map((key) => list(key)));
  // More lists than memory holds.
  await all(0, 40);
  nano.delay(2100, { times: 12 });
  await all(40, 52);
  // More fetches at once than are allowed.
  nano.hold({ times: 20 });
  await all(52, 72);
  nano.reset();
  nano.fail({ kind: "status", status: 503 });
  await all(72, 140);
}
