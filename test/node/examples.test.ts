import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { settings } from "../../src/config.ts";
import { run } from "../support/program.ts";

const root = new URL("../../", import.meta.url).pathname;

interface Service {
  readonly image: string;
  readonly command: string | readonly string[];
  readonly ports?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly stop_grace_period?: string;
  readonly depends_on?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
}

const file = await readFile(join(root, "examples/redis/compose.yaml"), "utf8");
const { services } = parse(file, { merge: true }) as { services: Record<string, Service> };
const keylanes = Object.entries(services).filter(([name]) => name.startsWith("keylane"));

describe("examples/redis/compose.yaml", () => {
  test("has three Keylanes with settings that Keylane accepts, all the same", () => {
    expect(keylanes).toHaveLength(3);
    for (const [, { environment = {} }] of keylanes) {
      const secret = /^\$\{CACHE_SECRET:\?.+\}$/;
      expect(environment["CACHE_SECRET"]).toMatch(secret);
      const found = settings({ ...environment, CACHE_SECRET: "one that nobody can guess" });
      expect(found).toMatchObject({ host: "0.0.0.0", redisUrl: "redis://redis:6379" });
    }
  });

  test("lets a stop take as long as the drain may, and publishes on loopback only", () => {
    const drainSeconds = settings({}).drainTimeoutMs / 1000;
    for (const [, service] of keylanes) {
      expect(Number.parseInt(service.stop_grace_period ?? "", 10)).toBeGreaterThan(drainSeconds);
      expect(service.ports).toBeUndefined();
    }
    const published = Object.values(services).flatMap(({ ports = [] }) => ports);
    expect(published).toEqual(["127.0.0.1:8787:8787"]);
    expect(services["redis"]?.ports).toBeUndefined();
  });

  test("balances over all of them, and depends on nothing that is not there", () => {
    const targets = String(services["balancer"]?.command).match(/--to \S+/g);
    expect(targets).toEqual(keylanes.map(([name]) => `--to ${name}:8787`));
    for (const { depends_on: needed = [] } of Object.values(services)) {
      for (const name of needed) expect(Object.keys(services)).toContain(name);
    }
  });

  test("says commands that the program knows", async () => {
    const [, one] = keylanes[0] ?? [];
    expect(one?.command).toEqual(["node", "/keylane/dist/node.js"]);
    expect(one?.healthcheck?.test.slice(1)).toEqual(["node", "/keylane/dist/node.js", "healthcheck"]);
    // Nobody listens there, which is what it finds out.
    const { code, stderr } = await run(["healthcheck"], { PORT: "9" });
    expect([code, stderr]).toEqual([1, "Not ready: http://127.0.0.1:9/readyz does not answer\n"]);
  });
});
