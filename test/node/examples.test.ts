// The Redis example runs three equal Keylanes behind a balancer, which alone is published.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseSettings } from "../../src/config/settings.ts";
import { composeFiles, root } from "../support/compose.ts";

const services = composeFiles.find(({ file }) => file === "examples/redis/compose.yaml")?.services ?? {};
const balancer = readFileSync(join(root, "examples/redis/Caddyfile"), "utf8");
const keylanes = Object.entries(services).filter(([name]) => name.startsWith("keylane"));

describe("examples/redis/compose.yaml", () => {
  test("has three Keylanes with the same, valid settings", () => {
    expect(keylanes).toHaveLength(3);
    for (const [, { environment = {} }] of keylanes) {
      const secret = /^\$\{CACHE_SECRET:\?.+\}$/;
      expect(environment["CACHE_SECRET"]).toMatch(secret);
      const settings = parseSettings({ ...environment, CACHE_SECRET: "one that nobody can guess" });
      expect(settings).toMatchObject({ redisUrl: "redis://redis:6379" });
    }
  });

  test("publishes only the balancer", () => {
    const published = Object.entries(services).filter(([, { ports = [] }]) => ports.length > 0);
    expect(published.map(([name, { ports }]) => [name, ports])).toEqual([["balancer", ["127.0.0.1:8787:8787"]]]);
  });

  test("balances over all Keylanes", () => {
    expect(services["balancer"]?.volumes).toEqual(["./Caddyfile:/etc/caddy/Caddyfile:ro"]);
    const targets = /reverse_proxy (.+) \{/.exec(balancer)?.[1]?.split(" ");
    expect(targets).toEqual(keylanes.map(([name]) => `${name}:8787`));
  });
});
