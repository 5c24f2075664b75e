import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { parseSettings } from "../../src/config/settings.ts";
import { composeBytes, composeProblems, composeFiles, root } from "../support/compose.ts";

// `docker compose config` needs the plugin, and no engine.
const hasCompose = spawnSync("docker", ["compose", "version"]).status === 0;
const SECRETS = {
  CACHE_SECRET: "one that nobody can guess",
  CREDS_KEY: "0".repeat(64),
  CREDS_IV: "0".repeat(32),
  JWT_SECRET: "0".repeat(64),
  JWT_REFRESH_SECRET: "0".repeat(64),
  WEBUI_SECRET_KEY: "0".repeat(64),
};

/** What is in .env after the lines on top of a compose file have been typed. */
function environmentOf(intro: string): Record<string, string> {
  const folder = mkdtempSync(join(tmpdir(), "keylane-env-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  // A comment after a command stands two spaces or more behind it.
  const lines = [...intro.matchAll(/^# {3}(.+?)(?: {2,}.*)?$/gm)].map(([, line = ""]) => line);
  const typed = lines.filter((line) => line.includes(".env"));
  execFileSync("sh", ["-c", `touch .env\n${typed.join("\n")}`], { cwd: folder });
  const text = readFileSync(join(folder, ".env"), "utf8");
  return Object.fromEntries([...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]));
}

test("there is an example for each tool that comes as a container, and one of several Keylanes", () => {
  expect(composeFiles.map(({ file }) => file)).toEqual(
    ["librechat", "open-webui", "redis", "sillytavern"].map((name) => `examples/${name}/compose.yaml`),
  );
});

test("what Compose does not know is found out", () => {
  const faults = composeProblems({
    version: 3,
    services: { a: { image: "x", readonly: true, mem_limit: "much", depends_on: { b: {} } }, b: {} },
  });
  expect(faults).toEqual([
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

  test.skipIf(!hasCompose)("is read by docker compose", () => {
    const { status, stderr } = spawnSync("docker", ["compose", "-f", join(root, file), "config", "--quiet"], {
      env: { ...process.env, ...SECRETS },
      encoding: "utf8",
    });
    expect([status, stderr]).toEqual([0, ""]);
  });

  test("refers to services, volumes and files that are there", () => {
    for (const [, { depends_on: needed = [], volumes: mounted = [], build }] of all) {
      const names = Array.isArray(needed) ? needed : Object.keys(needed);
      for (const name of names) expect(Object.keys(services)).toContain(name);
      for (const [source = ""] of mounted.map((mount) => mount.split(":"))) {
        if (source.startsWith(".")) expect(existsSync(join(folder, source)), source).toBe(true);
        else expect(Object.keys(volumes)).toContain(source);
      }
      if (build !== undefined) expect(existsSync(join(folder, build, "Dockerfile"))).toBe(true);
    }
  });

  test("publishes on loopback only", () => {
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
      expect(environment, "the image says where it listens").not.toHaveProperty("HOST");
      const given = { ...environment, ...("CACHE_SECRET" in environment && SECRETS) };
      const found = parseSettings(given);
      // With memory beside the lists for its work.
      expect(composeBytes(service.mem_limit)).toBeGreaterThan(4 * found.memoryMaxBytes);
      expect(Number.parseInt(service.stop_grace_period ?? "", 10)).toBeGreaterThan(found.drainTimeoutMs / 1000);
    }
  });

  test("has no secret in it, and says how to make each one it wants", () => {
    const wanted = [...text.matchAll(/\$\{(\w+):\?[^}]+\}/g)].map(([, name = ""]) => name);
    expect(new Set(wanted)).toEqual(new Set(Object.keys(SECRETS).filter((name) => wanted.includes(name))));
    const made = environmentOf(intro);
    for (const name of wanted) expect(made[name], name).toMatch(/^(?:[0-9a-f]{32}){1,2}$/);
    expect(new Set(Object.values(made)).size).toBe(Object.keys(made).length);
    expect(text).not.toMatch(/sk-nano-|[0-9a-f]{32}/);
    expect(intro).toContain("docker compose up");
  });
});
