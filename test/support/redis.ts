import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@redis/client";
import { describe, onTestFinished } from "vitest";
import { freePort } from "./free-port.ts";

const isInstalled = spawnSync("redis-server", ["--version"]).status === 0;
if (!isInstalled) console.warn("Skipped: tests that need redis-server, which is not installed.");

/** `describe` for tests that need redis-server: skipped where it is not installed, except with CI=true. */
export const describeWithRedis: typeof describe.only = describe.skipIf(!isInstalled && process.env["CI"] !== "true");

/** A running redis-server. */
export interface Redis {
  /** Such as `redis://127.0.0.1:43121`. */
  readonly url: string;
  readonly port: number;
  /** Runs a command, on a connection that no Keylane uses. */
  run(...args: (string | Buffer)[]): Promise<unknown>;
  /** Suspends the process (SIGSTOP). */
  pause(): void;
  /** Continues a suspended process (SIGCONT). */
  resume(): void;
  /** Kills it; another one can be started on the same port. */
  stop(): Promise<void>;
}

/** Starts an empty redis-server, by default on a free port. `atEnd` registers its stop, by default with the test. */
export async function startRedis(
  options: readonly string[] = [],
  atPort?: number,
  atEnd: (stop: () => Promise<void>) => void = onTestFinished,
): Promise<Redis> {
  const folder = await mkdtemp(join(tmpdir(), "keylane-redis-"));
  const port = atPort ?? (await freePort());
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", ...options];
  const child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit").catch(() => {
    throw new Error("redis-server cannot be started: install it");
  });
  const url = `redis://127.0.0.1:${port}`;
  const operator = createClient({ url, socket: { reconnectStrategy: false } });
  operator.on("error", () => {});
  const stop = async () => {
    operator.destroy();
    child.kill("SIGKILL");
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  atEnd(stop);
  let output = "";
  while (!output.includes("Ready to accept connections")) {
    const [data] = (await Promise.race([
      once(child.stdout, "data"),
      exited.then(() => Promise.reject(new Error(`redis-server did not start: ${output}`))),
    ])) as [Buffer];
    output += data.toString();
  }
  child.stdout.resume();
  return {
    url,
    port,
    async run(...args) {
      if (!operator.isOpen) await operator.connect();
      return await operator.sendCommand(args);
    },
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    stop,
  };
}
