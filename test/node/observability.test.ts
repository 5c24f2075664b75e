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

/** As Grafana sends it, for all instances and a short time. */
const written = (expression: string) => expression.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*");
const queries = panels.flatMap(({ title, targets }) =>
  targets.map(({ expr, legendFormat }) => ({ title, expr: written(expr), legendFormat })),
);

// Nothing in the traffic below makes these more than 0: a damaged value, a Redis that is late and not gone.
const STAY_AT_NOTHING = /shared_undecryptable|shared_short_circuited/;
// No request makes Keylane err; the same query finds another status.
const OF_OUR_OWN = "KeylaneOwnErrors";

const PATIENT = { timeout: 60_000, interval: 500 };
const KEYS = Array.from({ length: 140 }, (_, i) => `sk-nano-test-caller-${i}`);

function check(args: string[], input?: string) {
  const { status, stdout, stderr } = spawnSync("promtool", ["check", ...args], { input, encoding: "utf8" });
  return { status, said: stdout + stderr };
}

test("the dashboard has panels that stand side by side, each with an id of its own", () => {
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, i) => `${x + (i % w)} ${y + Math.floor(i / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBe(24);
});

describeWithPrometheus("examples/observability", { timeout: 150_000 }, () => {
  test("passes Prometheus's own checks, and so do our metrics", async () => {
    for (const [what, name] of [
      ["config", "prometheus.yml"],
      ["rules", "alerts.yaml"],
    ] as const)
      expect(check([what, join(OBSERVABILITY, name)])).toMatchObject({ status: 0 });
    const { call } = await setup({ ...DEAD_REDIS, REDIS_URL: `redis://127.0.0.1:${await freePort()}` });
    const { text } = await call("/metrics");
    expect(text).toContain("keylane_shared_reads_total");
    // prom-client has old names of Node's own metrics that the check does not like.
    expect(
      check(["metrics"], text)
        .said.split("\n")
        .filter((line) => !/^(?:nodejs_|$)/.test(line)),
    ).toEqual([]);
  });

  test("finds every metric in real traffic, and every failure where it is", async () => {
    const good = await setup();
    const accounts = KEYS.map((key) => ({ key, visible: ["openai/gpt-4-turbo"] }));
    const bad = await setup({ ...DEAD_REDIS, REDIS_URL: `redis://127.0.0.1:${await freePort()}` }, accounts);
    const targets = [hostOf(good), hostOf(bad), `127.0.0.1:${await freePort()}`] as const;
    const prometheus = await startPrometheus(targets);
    await expect.poll(async () => (await prometheus.query('up{job="keylane"} == 1')).length, PATIENT).toBe(2);

    await Promise.all([failure(bad), traffic(good)]);
    const unanswered = async () => {
      await traffic(good);
      await bad.list(KEYS[0] ?? "");
      const found = await Promise.all(queries.map((query) => faultOf(prometheus, query)));
      return found.filter((fault) => fault !== undefined);
    };
    await expect.poll(unanswered, PATIENT).toEqual([]);

    const named = async () =>
      (await prometheus.alerts()).map(({ labels }) => `${labels["alertname"]} ${labels["instance"]}`).sort();
    const [, ofBad, dead] = targets;
    const expected = rules
      .filter(({ alert }) => alert !== OF_OUR_OWN)
      .map(({ alert }) => `${alert} ${alert === "KeylaneDown" ? dead : ofBad}`);
    await expect.poll(named, PATIENT).toEqual(expected.sort());
    expect(await prometheus.faults()).toEqual([]);
    const own = rules.find(({ alert }) => alert === OF_OUR_OWN)?.expr ?? "";
    expect((await prometheus.query(own.replace("500", "401"))).length).toBe(1);
  });
});

const DEAD_REDIS = {
  MEMORY_MAX_SIZE: "32KB",
  CACHE_SECRET: "a secret that nobody can guess",
  LIST_TIMEOUT: "3s",
  MAX_AGE: "1h",
};

const hostOf = ({ keylane }: Setup) => new URL(keylane.url).host;

/** Says what is wrong with the answer to a query of the dashboard. */
async function faultOf(
  prometheus: Prometheus,
  { title, expr, legendFormat }: (typeof queries)[number],
): Promise<string | undefined> {
  const found = await prometheus.query(expr);
  const wanted = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = ""]) => label);
  const hasLabels = found.every(({ metric }) => wanted.every((label) => metric[label] !== undefined));
  const hasValue = found.some(({ value }) => (STAY_AT_NOTHING.test(expr) ? value === 0 : value > 0));
  return hasLabels && hasValue ? undefined : `${title}: ${expr} finds ${JSON.stringify(found)}`;
}

/** Some traffic without failures. */
async function traffic({ list, call, keylane, nano }: Setup): Promise<void> {
  await Promise.all([list(ALICE), list(ALICE), list(BOB)]);
  await list("sk-nano-nobody");
  await keylane.advance(70_000);
  await list(ALICE);
  await list(BOB, { headers: { "cache-control": "no-cache" } });
  // A call that stays open until the next one comes, so that there is one to be seen.
  nano.reset();
  const gate = nano.hold({ path: "/v1/echo", times: 1 });
  void call("/v1/echo").catch(() => {});
  await gate.arrived;
}

/** All that can go wrong, a little of each. */
async function failure({ list, nano }: Setup): Promise<void> {
  const all = (from: number, to: number) => Promise.all(KEYS.slice(from, to).map((key) => list(key)));
  // More lists than memory holds.
  await all(0, 40);
  nano.delay(2100, { times: 12 });
  await all(40, 52);
  // More at once than are asked for.
  nano.hold({ times: 20 });
  await all(52, 72);
  nano.reset();
  nano.fail({ kind: "status", status: 503 });
  await all(72, 140);
}
