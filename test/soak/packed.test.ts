import { spawn, execFile } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { ACCOUNTS, ALICE } from "../support/setup.ts";

const run = promisify(execFile);
const root = new URL("../../", import.meta.url).pathname;
const TIMEOUT_MS = 300_000;
const INSTALL_MS = 90_000;
// npm's own settings of the run that this test is part of are not for the folders it makes.
const clean = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(?:npm_(?!config_registry|config_cache)|NODE_(?!EXTRA_CA_CERTS)|VITEST|INIT_CWD)/i.test(name),
  ),
);

let folder = "";
let packed = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "keylane-packed-"));
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], {
    cwd: root,
    env: clean,
  });
  expect(stdout).toContain("keylane");
  const [file = ""] = await readdir(folder);
  packed = join(folder, file);
}, TIMEOUT_MS);

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Gives the folder of a Node of that major version, or why there is none. */
async function nodeOf(major: string): Promise<{ bin: string } | { missing: string }> {
  const place = join(folder, `node-${major}`);
  await mkdir(place, { recursive: true });
  // Its script fetches the binary for this platform.
  await writeFile(join(place, "package.json"), '{"allowScripts":{"node":true}}');
  try {
    const args = ["install", "--no-audit", "--no-fund", `node@${major}`];
    await run("npm", args, { cwd: place, env: clean, timeout: INSTALL_MS });
    const bin = join(place, "node_modules", "node", "bin");
    const { stdout } = await run(join(bin, "node"), ["--version"]);
    return stdout.startsWith(`v${major}.`) ? { bin } : { missing: `it is ${stdout.trim()}` };
  } catch (error) {
    return { missing: String(error).split("\n")[0] ?? "" };
  }
}

describe.each(["22", "24", "26"])("the packed file on Node %s", (major) => {
  test(
    "installs into an empty folder, and starts, checks a key and stops as `npx keylane`",
    async ({ skip }) => {
      const found = await nodeOf(major);
      if ("missing" in found) {
        if (process.env["CI"] === "true") expect.fail(`no Node ${major}: ${found.missing}`);
        skip(`no Node ${major} to be had: ${found.missing}`);
        return;
      }
      const env = { ...clean, PATH: `${found.bin}:${process.env["PATH"]}` };
      const place = join(folder, `empty-${major}`);
      await mkdir(place);
      await run("npm", ["install", "--no-audit", "--no-fund", packed], {
        cwd: place,
        env,
        timeout: INSTALL_MS,
      });
      const nano = await startNanoGpt({ accounts: ACCOUNTS });
      onTestFinished(() => nano.stop());

      const npx = ["--no-install", "keylane"];
      const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
        version: string;
      };
      expect(await run("npx", [...npx, "--version"], { cwd: place, env })).toMatchObject({
        stdout: `${version}\n`,
      });

      const child = spawn("npx", npx, {
        cwd: place,
        env: { ...env, PORT: "0", UPSTREAM_URL: nano.url },
        stdio: ["ignore", "ignore", "pipe"],
        // npx gives no signal on: a group of its own is stopped as a terminal does it.
        detached: true,
      });
      const exited = once(child, "close");
      const end = (signal: NodeJS.Signals) => {
        if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, signal);
      };
      onTestFinished(() => end("SIGKILL"));
      let said = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
      await expect.poll(() => said, { timeout: 60_000 }).toMatch(/base URL to (\S+)\/v1/);
      const url = /base URL to (\S+)\/v1/.exec(said)?.[1] ?? "";

      const { stdout } = await run("npx", [...npx, "check", "--json", "--url", url], {
        cwd: place,
        env: { ...env, NANOGPT_API_KEY: ALICE },
      });
      expect(JSON.parse(stdout)).toMatchObject({ isGood: true, server: "keylane", models: 2 });
      const health = await run("npx", [...npx, "healthcheck"], {
        cwd: place,
        env: { ...env, PORT: new URL(url).port },
      });
      expect(health).toMatchObject({ stdout: "" });
      end("SIGTERM");
      await exited;
      expect(said).toContain("Stopping:");
    },
    TIMEOUT_MS,
  );
});

test("the packed file holds the program, its licence and what describes it, and nothing else", async () => {
  const { stdout } = await run("tar", ["-tzf", packed]);
  const names = stdout.trim().split("\n");
  for (const name of names)
    expect(name).toMatch(
      /^package\/(?:dist\/[\w/-]+\.js|dist\/console\/\w+\.(?:css|html)|package\.json|README\.md|LICENSE)$/,
    );
  for (const file of ["node.js", "console/index.html", "console/page.css", "console/main.js"])
    expect(names).toContain(`package/dist/${file}`);
  expect(dirname(packed)).toBe(folder);
});
