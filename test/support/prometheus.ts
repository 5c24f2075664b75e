import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, onTestFinished } from "vitest";
import { parse } from "yaml";
import { freePort } from "./free-port.ts";

const isInstalled = ["prometheus", "promtool"].every((name) => spawnSync(name, ["--version"]).status === 0);
if (!isInstalled) console.warn("Skipped: tests that need prometheus and promtool, which are not installed.");

/** `describe` for tests that need Prometheus: skipped where it is not installed, unless CI=true. */
export const describeWithPrometheus: typeof describe.only = describe.skipIf(
  !isInstalled && process.env["CI"] !== "true",
);

export const OBSERVABILITY: string = new URL("../../examples/observability/", import.meta.url).pathname;
const SCRAPE_INTERVAL = "500ms";

/** One series of a query's result: labels and value. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** An alert that is pending or firing. */
export interface Alert {
  readonly labels: Readonly<Record<string, string>>;
}

/** A Prometheus for one test, queried over its HTTP API. */
export interface Prometheus {
  query(expression: string): Promise<Series[]>;
  alerts(): Promise<Alert[]>;
  /** Errors of the rules that it evaluates. */
  ruleErrors(): Promise<string[]>;
}

interface Config {
  readonly global: object;
  readonly scrape_configs: readonly [{ readonly job_name: string; readonly static_configs: object }];
}

/** Starts Prometheus with the example's configuration, a shorter interval and these targets; stops it with the test. */
export async function startPrometheus(targets: readonly string[]): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), "keylane-prometheus-"));
  const config = parse(await readFile(join(OBSERVABILITY, "prometheus.yml"), "utf8")) as Config;
  const intervals = { scrape_interval: SCRAPE_INTERVAL, scrape_timeout: SCRAPE_INTERVAL };
  const testConfig = {
    ...config,
    global: { ...config.global, ...intervals, evaluation_interval: SCRAPE_INTERVAL },
    rule_files: [join(OBSERVABILITY, "alerts.yaml")],
    scrape_configs: [{ ...config.scrape_configs[0], static_configs: [{ targets }] }],
  };
  // JSON is valid YAML.
  await writeFile(join(folder, "prometheus.yml"), JSON.stringify(testConfig));
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
  let stderr = "";
  child.stderr.on("data", (data: Buffer) => (stderr += data.toString()));
  const exited = once(child, "exit").catch(() => {
    throw new Error("Cannot start prometheus: install it");
  });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited;
    await rm(folder, { recursive: true, force: true });
  });

  async function getData<T>(path: string): Promise<T> {
    const response = (await (await fetch(`http://${address}/api/v1/${path}`)).json()) as {
      readonly data: T;
      readonly error?: string;
    };
    if (response.error !== undefined) throw new Error(`${response.error} in ${decodeURIComponent(path)}`);
    return response.data;
  }

  for (let attempts = 0; ; attempts++) {
    const isReady = await fetch(`http://${address}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) break;
    if (attempts > 300 || child.exitCode !== null) throw new Error(`prometheus did not start: ${stderr}`);
    await sleep(100);
  }
  return {
    async query(expression) {
      type Sample = { readonly metric: Series["metric"]; readonly value: readonly [number, string] };
      const path = `query?query=${encodeURIComponent(expression)}`;
      const { result } = await getData<{ readonly result: readonly Sample[] }>(path);
      return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
    },
    alerts: async () => (await getData<{ readonly alerts: Alert[] }>("alerts")).alerts,
    async ruleErrors() {
      type Rule = { readonly name: string; readonly health: string; readonly lastError?: string };
      type Groups = { readonly groups: readonly { readonly rules: readonly Rule[] }[] };
      const { groups } = await getData<Groups>("rules");
      const rules = groups.flatMap((group) => group.rules);
      return rules
        .filter(({ health }) => health !== "ok")
        .map(({ name, health, lastError }) => `${name}: ${health} ${lastError ?? ""}`);
    },
  };
}
