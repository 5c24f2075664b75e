import { execFile, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";

/** A server under measurement, in a process of its own on the measured core. */
export interface Server {
  readonly url: string;
  readonly child: ChildProcess;
  /** CPU time the process has used, from its own accounting. */
  readonly cpuMicros: () => Promise<number>;
}

export interface OnCleanup {
  (stop: () => unknown): void;
}

const isPinned = availableParallelism() > 1 && spawnSync("taskset", ["--version"]).status === 0;

/** Leaves core 0 to what is measured and takes core 1 for the load. Says what came of it. */
export function pinLoad(): string {
  const isDone = isPinned && spawnSync("taskset", ["-cp", "1", String(process.pid)]).status === 0;
  return isDone ? "servers on core 0, load on core 1" : "not pinned to cores: read the ratios with care";
}

/** Builds Keylane and gives the file that starts it. */
export async function buildKeylane(): Promise<string> {
  await promisify(execFile)("npm", ["run", "build"]);
  return "dist/node.js";
}

/** Starts a program on the measured core. */
export function spawnPinned(command: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const [name, ...rest] = isPinned ? ["taskset", "-c", "0", command, ...args] : [command, ...args];
  const child = spawn(name, rest, { env, stdio: ["ignore", "ignore", "pipe", "ipc"] });
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

// A bench that ends early leaves nothing running.
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts a Node program that tells its address on standard error; cpu-usage.ts tells its CPU time. */
export async function nodeServer(file: string, settings: Record<string, string>, stops: OnCleanup): Promise<Server> {
  const env = { PATH: process.env["PATH"], PORT: "0", ...settings };
  const child = spawnPinned(process.execPath, ["--expose-gc", "--import", "./test/bench/cpu-usage.ts", file], env);
  stops(() => kill(child));
  const url = await waitForUrl(child);
  const cpuMicros = async () => {
    child.send("cpu");
    const [received] = await once(child, "message");
    return Number(received);
  };
  return { url, child, cpuMicros };
}

/** Resolves to the address that a program tells on standard error. */
export async function waitForUrl(child: ChildProcess): Promise<string> {
  let received = "";
  await new Promise<void>((resolve) => {
    child.stderr?.on("data", (data: Buffer) => {
      received += data.toString();
      if (/http:\/\/127[\d.:]+/.test(received)) resolve();
    });
    child.once("exit", () => resolve());
  });
  const url = /http:\/\/[\d.]+:\d+/.exec(received)?.[0];
  if (url === undefined) throw new Error(`A server did not start: ${received}`);
  return url;
}

/** Ends a program by its own handle. */
export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}

/** CPU time by the kernel's account of a process of one thread; NaN where the system does not tell. */
export async function kernelCpuMicros(pid: number | undefined): Promise<number> {
  const text = await readFile(`/proc/${pid}/schedstat`, "utf8").catch(() => "");
  return Number(text.split(" ")[0] || Number.NaN) / 1000;
}

/** Bytes of a process that are in memory; NaN where the system does not tell. */
export async function residentBytes(pid: number | undefined): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1] ?? Number.NaN) * 1024;
}
