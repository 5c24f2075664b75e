// The README's steps for Workers work in a clean checkout, without an account.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../support/free-port.ts";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { plainCall, headerValues } from "../support/plain-call.ts";
import { ACCOUNTS, ALICE } from "../support/setup.ts";

const root = new URL("../../", import.meta.url).pathname;
const PARTS = ["package.json", "wrangler.toml", "tsconfig.json", "src", ".dev.vars.example"];
const readme = await readFile(join(root, "README.md"), "utf8");

/** Creates a folder with the files that the README's steps for Workers need. */
async function checkout(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "keylane-steps-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const name of PARTS) await cp(join(root, name), join(folder, name), { recursive: true });
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  return folder;
}

/** Runs a shell command without an account or network. */
function runCommand(line: string, cwd: string) {
  const settings = {
    CI: "true",
    NO_COLOR: "1",
    WRANGLER_SEND_METRICS: "false",
    WRANGLER_SEND_ERROR_REPORTS: "false",
    WRANGLER_HIDE_BANNER: "true",
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
  };
  const env = { PATH: process.env["PATH"], HOME: cwd, ...settings };
  // A process group, to which SIGINT can be sent as by a terminal's Ctrl-C.
  const child = spawn("sh", ["-c", line], { cwd, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  let hasExited = false;
  // The output closes when all processes of the group have ended.
  const exited = once(child, "close").finally(() => (hasExited = true));
  const signal = (name: NodeJS.Signals) => {
    if (!hasExited && child.pid !== undefined) process.kill(-child.pid, name);
  };
  onTestFinished(() => signal("SIGKILL"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += String(data)));
  return { exited, output: () => output, interrupt: () => signal("SIGINT") };
}

test("the Worker is bundled without an account", async () => {
  const { exited, output } = runCommand("npm run deploy:dry", await checkout());
  const [code] = await exited;
  expect(code, output()).toBe(0);
  expect(output()).toContain("--dry-run: exiting now.");
  expect(output()).toContain("env.MODELS_LIST");
}, 120_000);

test("the Worker runs locally by the README's own lines, with a secret from .dev.vars", async () => {
  const folder = await checkout();
  const nano = await startNanoGpt({ accounts: ACCOUNTS });
  onTestFinished(() => nano.stop());
  const [, copy = "", start = ""] = /```sh\n(cp \.dev\.vars.*)\n(npm run dev:worker .*)\n```/.exec(readme) ?? [];
  await runCommand(copy, folder).exited;
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/v1/models`;
  const line = `${start.replace("8788", String(port))} --var UPSTREAM_URL:${nano.url} --inspector-port ${await freePort()}`;
  expect(line).toContain(`--port ${port} --var MAX_AGE:10s `);
  const fields = `Authorization: Bearer ${ALICE}`;
  const request = () => plainCall(url, { fields }).catch(() => undefined);

  // An invalid secret shows that the file is read.
  const secrets = await readFile(join(folder, ".dev.vars"), "utf8");
  await writeFile(join(folder, ".dev.vars"), secrets.replace(/^CACHE_SECRET=$/m, "CACHE_SECRET=short"));
  const rejecting = runCommand(line, folder);
  await expect.poll(async () => (await request())?.status, { timeout: 60_000, interval: 500 }).toBe(500);
  await expect.poll(() => rejecting.output(), { timeout: 10_000 }).toContain("CACHE_SECRET must be");
  rejecting.interrupt();
  await rejecting.exited;

  await writeFile(join(folder, ".dev.vars"), secrets);
  const running = runCommand(line, folder);
  await expect.poll(async () => (await request())?.status, { timeout: 60_000, interval: 500 }).toBe(200);
  const { text, rawHeaders } = await plainCall(url, { fields });
  expect(JSON.parse(text)).toMatchObject({ object: "list", data: [{}, {}] });
  expect(headerValues(rawHeaders, "cache-status")[0]).toMatch(/^keylane; hit; ttl=(?:-?\d|10)\b/);
  running.interrupt();
  await running.exited;
}, 180_000);
