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

export interface Stops {
  (stop: () => unknown): void;
}

const isPinned = availableParallelism() > 1 && spawnSync("taskset", ["--version"]).status === 0;

/** Leaves core 0 to what is measured and takes core 1 for the load. Says what came of it. */
export function pinLoad(): string {
  const isDone = isPinned && spawnSync("taskset", ["-cp", "1", String(process.pid)]).status === 0;
  return isDone ? "servers on core 0, load on core 1" : "not pinned to cores: read the ratios with care";
}

/** Builds Keylane and gives the file that starts it. */
export async function built(): Promise<string> {
  await promisify(execFile)("npm", ["run", "build"]);
  return "dist/node.js";
}

/** Starts a program on the measured core. */
export function begun(command: string, words: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const [name, ...rest] = isPinned ? ["taskset", "-c", "0", command, ...words] : [command, ...words];
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

/** Starts a Node program that tells its address on standard error; account.ts tells its CPU time. */
export async function nodeServer(
  file: string,
  settings: Record<string, string>,
  stops: Stops,
): Promise<Server> {
  const env = { PATH: process.env["PATH"], PORT: "0", ...settings };
  const child = begun(process.execPath, ["--expose-gc", "--import", "./test/bench/account.ts", file], env);
  stops(() => ended(child));
  const url = await toldUrl(child);
  const cpuMicros = async () => {
    child.send("cpu");
    const [told] = await once(child, "message");
    return Number(told);
  };
  return { url, child, cpuMicros };
}

/** Resolves to the address that a program tells on standard error. */
export async function toldUrl(child: ChildProcess): Promise<string> {
  let told = "";
  await new Promise<void>((resolve) => {
    child.stderr?.on("data", (data: Buffer) => {
      told += data.toString();
      if (/http:\/\/127[\d.:]+/.test(told)) resolve();
    });
    child.once("exit", () => resolve());
  });
  const url = /http:\/\/[\d.]+:\d+/.exec(told)?.[0];
  if (url === undefined) throw new Error(`A server did not start: ${told}`);
  return url;
}

/** Ends a program by its own handle. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}

/** CPU time by the kernel's account of a process of one thread; NaN where the system does not tell. */
export async function accountedMicros(pid: number | undefined): Promise<number> {
  const text = await readFile(`/proc/${pid}/schedstat`, "utf8").catch(() => "");
  return Number(text.split(" ")[0] || Number.NaN) / 1000;
}

/** Bytes of a process that are in memory; NaN where the system does not tell. */
export async function residentBytes(pid: number | undefined): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1] ?? Number.NaN) * 1024;
}
