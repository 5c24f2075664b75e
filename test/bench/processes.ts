import { execFile, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";

/** A measured server, in its own process on core 0. */
export interface Server {
  readonly url: string;
  readonly child: ChildProcess;
  /** CPU time that the process has used. */
  readonly cpuMicros: () => Promise<number>;
}

export interface OnCleanup {
  (stop: () => unknown): void;
}

const isPinned = availableParallelism() > 1 && spawnSync("taskset", ["--version"]).status === 0;

/** Moves this process, the load, to core 1, so that core 0 is left to the servers. Gives a description of the result. */
export function pinLoad(): string {
  const isLoadPinned = isPinned && spawnSync("taskset", ["-cp", "1", String(process.pid)]).status === 0;
  return isLoadPinned ? "servers on core 0, load on core 1" : "not pinned to cores: read the ratios with care";
}

/** Builds Keylane and gives the path of its entry file. */
export async function buildKeylane(): Promise<string> {
  await promisify(execFile)("npm", ["run", "build"]);
  return "dist/node.js";
}

/** Starts a program on core 0. */
export function spawnPinned(command: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const [name, ...rest] = isPinned ? ["taskset", "-c", "0", command, ...args] : [command, ...args];
  const child = spawn(name, rest, { env, stdio: ["ignore", "ignore", "pipe", "ipc"] });
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

// Also when the bench is interrupted.
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts a Node program that prints its address on standard error; cpu-usage.ts reports its CPU time. */
export async function nodeServer(
  file: string,
  settings: Record<string, string>,
  onCleanup: OnCleanup,
): Promise<Server> {
  const env = { PATH: process.env["PATH"], PORT: "0", ...settings };
  const child = spawnPinned(process.execPath, ["--expose-gc", "--import", "./test/bench/cpu-usage.ts", file], env);
  onCleanup(() => kill(child));
  const url = await waitForUrl(child);
  const cpuMicros = async () => {
    child.send("cpu");
    const [micros] = await once(child, "message");
    return Number(micros);
  };
  return { url, child, cpuMicros };
}

/** Resolves to the address that a program prints on standard error. */
export async function waitForUrl(child: ChildProcess): Promise<string> {
  let stderr = "";
  await new Promise<void>((resolve) => {
    child.stderr?.on("data", (data: Buffer) => {
      stderr += data.toString();
      if (/http:\/\/127[\d.:]+/.test(stderr)) resolve();
    });
    child.once("exit", () => resolve());
  });
  const url = /http:\/\/[\d.]+:\d+/.exec(stderr)?.[0];
  if (url === undefined) throw new Error(`A server did not start: ${stderr}`);
  return url;
}

/** Kills a program, unless it has exited. */
export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}

/** CPU time of a single-threaded process as the kernel counts it; NaN where the system has no /proc. */
export async function kernelCpuMicros(pid: number | undefined): Promise<number> {
  const text = await readFile(`/proc/${pid}/schedstat`, "utf8").catch(() => "");
  return Number(text.split(" ")[0] || Number.NaN) / 1000;
}

/** Resident memory of a process; NaN where the system has no /proc. */
export async function residentBytes(pid: number | undefined): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1] ?? Number.NaN) * 1024;
}
