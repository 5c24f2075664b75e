import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { onTestFinished } from "vitest";

/** `keylane` in a child process. */
export interface Program {
  /** Such as `http://127.0.0.1:43121`. */
  readonly url: string;
  readonly child: ChildProcess;
  /** Resolves with the exit code, or the signal that ended it, once all output is read. */
  readonly exited: Promise<number | NodeJS.Signals>;
  stdout(): string;
  stderr(): string;
}

const ENTRY = new URL("../../src/node.ts", import.meta.url).pathname;

/** Runs one command line until it exits. */
export async function run(
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<{ code: number | NodeJS.Signals; stdout: string; stderr: string }> {
  const program = spawnProgram(args, environment);
  const code = await program.exited;
  return { code, stdout: program.stdout(), stderr: program.stderr() };
}

/** Starts the server on a free port and resolves when it listens. `stdout` is read, or an open file. */
export async function startProgram(
  environment: Record<string, string>,
  stdout: "pipe" | number = "pipe",
): Promise<Program> {
  const program = spawnProgram([], { PORT: "0", ...environment }, stdout);
  // A server that listens on every address prints no host.
  const listening = /base URL to http:\/\/\S+:(\d+)\/v1/;
  while (!listening.test(program.stderr())) {
    const ended = program.exited.then((code) => {
      throw new Error(`The program ended with ${code}: ${program.stderr()}`);
    });
    await Promise.race([once(program.child.stderr ?? program.child, "data"), ended]);
  }
  return { ...program, url: `http://127.0.0.1:${listening.exec(program.stderr())?.[1]}` };
}

function spawnProgram(
  args: readonly string[],
  environment: Record<string, string>,
  stdout: "pipe" | number = "pipe",
): Omit<Program, "url"> {
  const env = { PATH: process.env["PATH"], ...environment };
  const child = spawn(process.execPath, [ENTRY, ...args], { env, stdio: ["ignore", stdout, "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => (output[name] += text));
  }
  // "close" comes after "exit", when all output has been read.
  const exited = once(child, "close").then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  return { child, exited, stdout: () => output.stdout, stderr: () => output.stderr };
}
