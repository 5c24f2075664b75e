// The README's defaults, settings, scripts, metrics, errors and snippets are those of the program.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { parseSettings } from "../../src/config/settings.ts";
import { VERSION } from "../../src/version.ts";
import { freePort } from "../support/free-port.ts";
import { GROUPS } from "../support/faults/table.ts";
import { ALICE, setup } from "../support/setup.ts";

const run = promisify(execFile);
const root = new URL("../../", import.meta.url).pathname;
const readme = await readFile(join(root, "README.md"), "utf8");
const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as Manifest;

interface Manifest {
  readonly version: string;
  readonly scripts: Record<string, string>;
  readonly dependencies?: object;
  readonly devDependencies?: object;
  readonly optionalDependencies?: object;
}

/** The code blocks of one language, in order. */
const snippets = (language: string): string[] =>
  [...readme.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, "gs"))].map(([, text = ""]) => text);

describe("the README", () => {
  test("shows one command and one request on its first screen", () => {
    const first = readme.split("\n").slice(0, 20).join("\n");
    expect(first).toContain("npm ci && npm start");
    expect(first).toMatch(/curl http:\/\/127\.0\.0\.1:8787\/v1\/models/);
  });

  test("names only npm scripts that exist", () => {
    const named = [...readme.matchAll(/npm (?:run )?(start|test(?::\w+)?|demo|dev(?::worker)?|check|bench|deploy)\b/g)];
    expect(named.length).toBeGreaterThan(5);
    for (const [, name = ""] of named) expect(manifest.scripts).toHaveProperty([name]);
  });

  test("lists the program's defaults", () => {
    const table = readme.slice(readme.indexOf("## Settings"), readme.indexOf("## Run it"));
    const written: Record<string, string> = {};
    for (const [, names = "", defaults = ""] of table.matchAll(/^\| (`[^|]+`) \| ([^|]+) \|/gm)) {
      const values = [...defaults.matchAll(/`([^`]+)`/g)].map(([, value = ""]) => value);
      for (const [i, [, name = ""]] of [...names.matchAll(/`([A-Z_]+)`/g)].entries()) {
        const value = values[i];
        if (value !== undefined && !value.includes("_URL")) written[name] = value;
      }
    }
    expect(Object.keys(written).length).toBeGreaterThan(17);
    expect(parseSettings(written)).toEqual(parseSettings({}));
  });

  test("lists every setting, and no other", () => {
    const read = new Set<string>();
    parseSettings(new Proxy({}, { get: (_env, name) => void read.add(String(name)) }));
    const table = readme.slice(readme.indexOf("## Settings"), readme.indexOf("## Run it"));
    const listed = [...table.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, names = ""]) =>
      [...names.matchAll(/`([A-Z_]+)`/g)].map(([, name = ""]) => name),
    );
    expect(listed.toSorted()).toEqual([...read].toSorted());
  });

  test("claims to run only tools that are installed for tests", async () => {
    const clients = JSON.parse(await readFile(join(root, "test/clients/package.json"), "utf8")) as Manifest;
    const installed = [manifest, clients].flatMap((one) =>
      Object.keys({ ...one.dependencies, ...one.devDependencies, ...one.optionalDependencies }),
    );
    const cells = [...readme.matchAll(/\| run: ([^|]+) \|$/gm)].map(([, cell = ""]) => cell);
    const named = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name));
    expect(named.length).toBeGreaterThan(10);
    expect(installed).toEqual(expect.arrayContaining(named));
  });

  test("describes every upstream failure as it is tested", () => {
    const table = readme.slice(readme.indexOf("### When NanoGPT fails"), readme.indexOf("## How isolation"));
    const rows = [...table.matchAll(/^\| ([a-z][^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$/gm)];
    const received = rows.map(([, ...cells]) => cells.map((cell) => cell.replaceAll("`", "")));
    const STORED = {
      "the new list": "the new list",
      "the stored list": "the stored list",
      "its other lists": "the same error, and that list is not kept",
      nothing: "the same error, and nothing of that key is kept",
    };
    const tested = Object.entries(GROUPS).map(([name, { cold, kept, within }]) => {
      const isError = cold !== "the list";
      const own = isError && cold.status === "its own" ? "its own" : undefined;
      const answer = own ?? (isError ? `${cold.status} ${cold.code}` : cold);
      return [name, answer, STORED[kept], within];
    });
    expect(received).toEqual(tested);
  });

  test("names every metric, and no other", async () => {
    const { call } = await setup({
      CACHE_SECRET: "a secret that nobody can guess",
      REDIS_URL: `redis://127.0.0.1:${await freePort()}`,
    });
    const exposed = (await call("/metrics")).text.match(/(?<=^# TYPE )keylane_\w+/gm);
    const named = readme.match(/(?<=`)keylane_\w+(?=`)/g);
    expect(new Set(named)).toEqual(new Set(exposed));
  });

  test("shows a curl command that works unchanged", async () => {
    const { keylane } = await setup();
    const line = snippets("sh").find((text) => text.startsWith("curl")) ?? "";
    const { stdout } = await run("bash", ["-c", line.replace("http://127.0.0.1:8787", keylane.url)], {
      env: { ...process.env, NANOGPT_API_KEY: ALICE },
    });
    expect(JSON.parse(stdout)).toMatchObject({
      object: "list",
      data: [{ object: "model" }, { object: "model" }],
    });
  });

  test("shows a program for the OpenAI SDK that works unchanged", async () => {
    const { keylane } = await setup();
    const folder = await mkdtemp(join(tmpdir(), "keylane-readme-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));
    const [program = ""] = snippets("js");
    await writeFile(join(folder, "list.mjs"), program.replace("http://127.0.0.1:8787", keylane.url));
    const env = { ...process.env, NANOGPT_API_KEY: ALICE };
    const { stdout } = await run(process.execPath, [join(folder, "list.mjs")], { env });
    expect(stdout).toBe("NousResearch/Hermes-4-70B:thinking\nopenai/gpt-4-turbo\n");
  });
});

test("the README's picture exists and is small", async () => {
  const [, file = ""] = /!\[[^\]]+\]\((docs\/[^)]+)\)/.exec(readme) ?? [];
  expect((await readFile(join(root, file))).length).toBeLessThan(200_000);
});

test("the version in the source is that of the package", () => {
  expect(VERSION).toBe(manifest.version);
});
