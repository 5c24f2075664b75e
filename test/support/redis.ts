import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@redis/client";
import { describe, onTestFinished } from "vitest";
import { freePort } from "./free-port.ts";

const isHere = spawnSync("redis-server", ["--version"]).status === 0;
if (!isHere) console.warn("Skipped: tests that need redis-server, which is not installed here.");

/** `describe` for what needs a redis-server: skipped where there is none, unless CI=true says that it has to be there. */
export const describeWithRedis: typeof describe.only = describe.skipIf(!isHere && process.env["CI"] !== "true");

/** A redis-server of a test's own. */
export interface Redis {
  /** Such as `redis://127.0.0.1:43121`. */
  readonly url: string;
  readonly port: number;
  /** Has a command run, as the operator of Redis would. */
  run(...args: (string | Buffer)[]): Promise<unknown>;
  /** Stops it where it stands (SIGSTOP), and lets it go on. */
  pause(): void;
  resume(): void;
  /** Kills it; it can be started again at the same port. */
  stop(): Promise<void>;
}

/** Starts redis-server on a free port, in a folder of its own; by default it is stopped when the test ends. */
export async function startRedis(
  options: readonly string[] = [],
  at?: number,
  atEnd: (stop: () => Promise<void>) => void = onTestFinished,
): Promise<Redis> {
  const folder = await mkdtemp(join(tmpdir(), "keylane-redis-"));
  const port = at ?? (await freePort());
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", ...options];
  const child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit").catch(() => {
    throw new Error("redis-server cannot be started: install it");
  });
  // It connects when it is needed first.
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
  let said = "";
  while (!said.includes("Ready to accept connections")) {
    const [data] = (await Promise.race([
      once(child.stdout, "data"),
      exited.then(() => Promise.reject(new Error(`redis-server did not start: ${said}`))),
    ])) as [Buffer];
    said += data.toString();
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
