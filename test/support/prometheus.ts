import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, onTestFinished } from "vitest";
import { parse } from "yaml";
import { freePort } from "./free-port.ts";

const isHere = ["prometheus", "promtool"].every((name) => spawnSync(name, ["--version"]).status === 0);
if (!isHere) console.warn("Skipped: tests that need prometheus and promtool, which are not installed here.");

/** `describe` for what needs Prometheus: skipped where there is none, unless CI=true says that it has to be there. */
export const describeWithPrometheus: typeof describe.only = describe.skipIf(!isHere && process.env["CI"] !== "true");

export const OBSERVABILITY: string = new URL("../../examples/observability/", import.meta.url).pathname;
const SCRAPE_INTERVAL = "500ms";

/** What a query found: labels and value. */
export interface Found {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** An alert that is pending or firing. */
export interface Alert {
  readonly labels: Readonly<Record<string, string>>;
}

/** A Prometheus of a test's own, asked over its HTTP API. */
export interface Prometheus {
  query(expression: string): Promise<Found[]>;
  alerts(): Promise<Alert[]>;
  /** What is wrong with the rules that it evaluates. */
  faults(): Promise<string[]>;
}

interface Config {
  readonly global: object;
  readonly scrape_configs: readonly [{ readonly job_name: string; readonly static_configs: object }];
}

/** Starts Prometheus as the example configures it, but for its pace, and for these targets; it stops with the test. */
export async function startPrometheus(targets: readonly string[]): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), "keylane-prometheus-"));
  const config = parse(await readFile(join(OBSERVABILITY, "prometheus.yml"), "utf8")) as Config;
  const paced = { scrape_interval: SCRAPE_INTERVAL, scrape_timeout: SCRAPE_INTERVAL };
  const own = {
    ...config,
    global: { ...config.global, ...paced, evaluation_interval: SCRAPE_INTERVAL },
    rule_files: [join(OBSERVABILITY, "alerts.yaml")],
    scrape_configs: [{ ...config.scrape_configs[0], static_configs: [{ targets }] }],
  };
  // JSON is YAML too.
  await writeFile(join(folder, "prometheus.yml"), JSON.stringify(own));
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    "prometheus",
    [
      `--config.file=${join(folder, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=${address}`,
      "--log.level=warn",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let said = "";
  child.stderr.on("data", (data: Buffer) => (said += data.toString()));
  const exited = once(child, "exit").catch(() => {
    throw new Error("prometheus cannot be started: install it");
  });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited;
    await rm(folder, { recursive: true, force: true });
  });

  async function ask<T>(path: string): Promise<T> {
    const answer = (await (await fetch(`http://${address}/api/v1/${path}`)).json()) as {
      readonly data: T;
      readonly error?: string;
    };
    if (answer.error !== undefined) throw new Error(`${answer.error} in ${decodeURIComponent(path)}`);
    return answer.data;
  }

  for (let tries = 0; ; tries++) {
    const isReady = await fetch(`http://${address}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) break;
    if (tries > 300 || child.exitCode !== null) throw new Error(`prometheus did not start: ${said}`);
    await sleep(100);
  }
  return {
    async query(expression) {
      type Sample = { readonly metric: Found["metric"]; readonly value: readonly [number, string] };
      const path = `query?query=${encodeURIComponent(expression)}`;
      const { result } = await ask<{ readonly result: readonly Sample[] }>(path);
      return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
    },
    alerts: async () => (await ask<{ readonly alerts: Alert[] }>("alerts")).alerts,
    async faults() {
      type Rule = { readonly name: string; readonly health: string; readonly lastError?: string };
      type Groups = { readonly groups: readonly { readonly rules: readonly Rule[] }[] };
      const { groups } = await ask<Groups>("rules");
      const rules = groups.flatMap((group) => group.rules);
      return rules
        .filter(({ health }) => health !== "ok")
        .map(({ name, health, lastError }) => `${name}: ${health} ${lastError ?? ""}`);
    },
  };
}
