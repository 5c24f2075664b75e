// The packed file contains only the program, and installs and runs on all supported Node versions.
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
// The environment without the npm and Node settings of the test run itself.
const cleanEnv = Object.fromEntries(
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
    env: cleanEnv,
  });
  expect(stdout).toContain("keylane");
  const [file = ""] = await readdir(folder);
  packed = join(folder, file);
}, TIMEOUT_MS);

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Installs Node of a major version. Gives its folder, or the reason why it cannot be installed. */
async function installNode(major: string): Promise<{ bin: string } | { missing: string }> {
  const directory = join(folder, `node-${major}`);
  await mkdir(directory, { recursive: true });
  // The package's install script downloads the binary for this platform.
  await writeFile(join(directory, "package.json"), '{"allowScripts":{"node":true}}');
  try {
    const args = ["install", "--no-audit", "--no-fund", `node@${major}`];
    await run("npm", args, { cwd: directory, env: cleanEnv, timeout: INSTALL_MS });
    const bin = join(directory, "node_modules", "node", "bin");
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
      const found = await installNode(major);
      if ("missing" in found) {
        if (process.env["CI"] === "true") expect.fail(`no Node ${major}: ${found.missing}`);
        skip(`cannot install Node ${major}: ${found.missing}`);
        return;
      }
      const env = { ...cleanEnv, PATH: `${found.bin}:${process.env["PATH"]}` };
      const directory = join(folder, `empty-${major}`);
      await mkdir(directory);
      await run("npm", ["install", "--no-audit", "--no-fund", packed], {
        cwd: directory,
        env,
        timeout: INSTALL_MS,
      });
      const nano = await startNanoGpt({ accounts: ACCOUNTS });
      onTestFinished(() => nano.stop());

      const npx = ["--no-install", "keylane"];
      const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
        version: string;
      };
      expect(await run("npx", [...npx, "--version"], { cwd: directory, env })).toMatchObject({
        stdout: `${version}\n`,
      });

      const child = spawn("npx", npx, {
        cwd: directory,
        env: { ...env, PORT: "0", UPSTREAM_URL: nano.url },
        stdio: ["ignore", "ignore", "pipe"],
        // npx does not forward signals, so the whole process group gets them.
        detached: true,
      });
      const exited = once(child, "close");
      const kill = (signal: NodeJS.Signals) => {
        if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, signal);
      };
      onTestFinished(() => kill("SIGKILL"));
      let output = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
      await expect.poll(() => output, { timeout: 60_000 }).toMatch(/base URL to (\S+)\/v1/);
      const url = /base URL to (\S+)\/v1/.exec(output)?.[1] ?? "";

      const { stdout } = await run("npx", [...npx, "check", "--json", "--url", url], {
        cwd: directory,
        env: { ...env, NANOGPT_API_KEY: ALICE },
      });
      expect(JSON.parse(stdout)).toMatchObject({ isGood: true, server: "keylane", models: 2 });
      const health = await run("npx", [...npx, "healthcheck"], {
        cwd: directory,
        env: { ...env, PORT: new URL(url).port },
      });
      expect(health).toMatchObject({ stdout: "" });
      kill("SIGTERM");
      await exited;
      expect(output).toContain("Stopping:");
    },
    TIMEOUT_MS,
  );
});

test("the packed file contains only the program, its licence, README and package.json", async () => {
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
