// Each example is a valid compose file with least privileges, loopback ports and no secret in it.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { parseSettings } from "../../src/config/settings.ts";
import { composeBytes, composeProblems, composeFiles, root } from "../support/compose.ts";

// `docker compose config` needs the plugin, but no running engine.
const hasCompose = spawnSync("docker", ["compose", "version"]).status === 0;
const SECRETS = {
  CACHE_SECRET: "one that nobody can guess",
  CREDS_KEY: "0".repeat(64),
  CREDS_IV: "0".repeat(32),
  JWT_SECRET: "0".repeat(64),
  JWT_REFRESH_SECRET: "0".repeat(64),
  WEBUI_SECRET_KEY: "0".repeat(64),
};

/** Runs the commands in a compose file's intro and returns the contents of .env. */
function environmentOf(intro: string): Record<string, string> {
  const folder = mkdtempSync(join(tmpdir(), "keylane-env-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  // Two or more spaces separate a command from a comment after it.
  const lines = [...intro.matchAll(/^# {3}(.+?)(?: {2,}.*)?$/gm)].map(([, line = ""]) => line);
  const commands = lines.filter((line) => line.includes(".env"));
  execFileSync("sh", ["-c", `touch .env\n${commands.join("\n")}`], { cwd: folder });
  const text = readFileSync(join(folder, ".env"), "utf8");
  return Object.fromEntries([...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]));
}

test("there is an example for each tool that is a container image, and one with several Keylanes", () => {
  expect(composeFiles.map(({ file }) => file)).toEqual(
    ["librechat", "open-webui", "redis", "sillytavern"].map((name) => `examples/${name}/compose.yaml`),
  );
});

test("the test reports what Compose does not accept", () => {
  const problems = composeProblems({
    version: 3,
    services: { a: { image: "x", readonly: true, mem_limit: "much", depends_on: { b: {} } }, b: {} },
  });
  expect(problems).toEqual([
    "version is not known",
    "a.readonly is not known",
    'a.mem_limit cannot be "much"',
    'a.depends_on cannot be {"b":{}}',
    "b has no image",
  ]);
});

describe.each(composeFiles)("$file", ({ file, folder, intro, services, volumes = {} }) => {
  const text = readFileSync(join(root, file), "utf8");
  const all = Object.entries(services);
  const keylanes = all.filter(([name]) => name.startsWith("keylane"));

  test("is a compose file", () => {
    expect(composeProblems(parse(text, { merge: true }))).toEqual([]);
  });

  test.skipIf(!hasCompose)("is accepted by docker compose", () => {
    const { status, stderr } = spawnSync("docker", ["compose", "-f", join(root, file), "config", "--quiet"], {
      env: { ...process.env, ...SECRETS },
      encoding: "utf8",
    });
    expect([status, stderr]).toEqual([0, ""]);
  });

  test("refers only to services, volumes and files that exist", () => {
    for (const [, { depends_on: dependencies = [], volumes: mounted = [], build }] of all) {
      const names = Array.isArray(dependencies) ? dependencies : Object.keys(dependencies);
      for (const name of names) expect(Object.keys(services)).toContain(name);
      for (const [source = ""] of mounted.map((mount) => mount.split(":"))) {
        if (source.startsWith(".")) expect(existsSync(join(folder, source)), source).toBe(true);
        else expect(Object.keys(volumes)).toContain(source);
      }
      if (build !== undefined) expect(existsSync(join(folder, build, "Dockerfile"))).toBe(true);
    }
  });

  test("publishes ports on loopback only", () => {
    const published = all.flatMap(([, { ports = [] }]) => ports);
    expect(published.length).toBeGreaterThan(0);
    for (const port of published) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  });

  test("gives no service more than it needs", () => {
    for (const [name, service] of all) {
      expect(service.cap_drop, name).toEqual(["ALL"]);
      expect(service.security_opt, name).toEqual(["no-new-privileges:true"]);
      expect(composeBytes(service.mem_limit), name).toBeGreaterThan(0);
      expect(service.image, name).toMatch(/^keylane$|:v?\d+(?:\.\d+)*$/);
    }
  });

  test("runs Keylane's own image, read-only, with settings that it accepts", () => {
    expect(keylanes.length).toBeGreaterThan(0);
    for (const [name, service] of keylanes) {
      expect([service.image, service.read_only, service.command], name).toEqual(["keylane", true, undefined]);
      expect(service.build !== undefined || service.pull_policy === "never", name).toBe(true);
      const { environment = {} } = service;
      expect(environment, "the image sets HOST").not.toHaveProperty("HOST");
      const env = { ...environment, ...("CACHE_SECRET" in environment && SECRETS) };
      const settings = parseSettings(env);
      // The process needs memory besides the stored lists.
      expect(composeBytes(service.mem_limit)).toBeGreaterThan(4 * settings.memoryMaxBytes);
      expect(Number.parseInt(service.stop_grace_period ?? "", 10)).toBeGreaterThan(settings.drainTimeoutMs / 1000);
    }
  });

  test("contains no secret, and shows how to create each one", () => {
    const secrets = [...text.matchAll(/\$\{(\w+):\?[^}]+\}/g)].map(([, name = ""]) => name);
    expect(new Set(secrets)).toEqual(new Set(Object.keys(SECRETS).filter((name) => secrets.includes(name))));
    const created = environmentOf(intro);
    for (const name of secrets) expect(created[name], name).toMatch(/^(?:[0-9a-f]{32}){1,2}$/);
    expect(new Set(Object.values(created)).size).toBe(Object.keys(created).length);
    expect(text).not.toMatch(/sk-nano-|[0-9a-f]{32}/);
    expect(intro).toContain("docker compose up");
  });
});
