import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished } from "vitest";

/** A home folder for one tool. */
export interface Home {
  readonly path: string;
  /** Runs a program in `work/`, without input, and resolves with its output; rejects if it exits with an error. */
  readonly run: (program: string, args: readonly string[], env?: Record<string, string>) => Promise<string>;
}

/** Creates a home folder with files. It is removed when the test ends, after the processes started in it are killed. */
export async function createHome(files: Record<string, string> = {}): Promise<Home> {
  const path = await mkdtemp(join(tmpdir(), "keylane-home-"));
  const groups: number[] = [];
  onTestFinished(async () => {
    for (const group of groups) endGroup(group);
    // Killed processes may still be writing.
    await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  });
  for (const [name, text] of Object.entries({ "work/.keep": "", ...files })) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), text);
  }
  return {
    path,
    async run(program, args, env = {}) {
      const toolEnv = { PATH: process.env["PATH"], HOME: path, TMPDIR: path, ...QUIET, ...env };
      // A process group of its own, so that processes that the tool leaves running can be killed with it.
      const child = spawn(program, args, {
        cwd: join(path, "work"),
        env: toolEnv,
        detached: true,
        stdio: ["ignore", "pipe", "pipe"],
      });
      if (child.pid !== undefined) groups.push(child.pid);
      const output = { stdout: "", stderr: "" };
      for (const name of ["stdout", "stderr"] as const) {
        child[name].setEncoding("utf8").on("data", (text: string) => (output[name] += text));
      }
      const timer = setTimeout(() => child.kill("SIGKILL"), TOOL_TIMEOUT_MS);
      // A process that the tool leaves running may keep its output open, so that "close" does not come.
      const closed = once(child, "close");
      const [code] = (await once(child, "exit")) as [number | null];
      await Promise.race([closed, sleep(500)]);
      clearTimeout(timer);
      if (code !== 0) throw new Error(`${program} ended with ${code}: ${output.stderr}${output.stdout}`);
      return output.stdout;
    },
  };
}

/** Kills a process group, if it still runs. */
export function endGroup(group: number): void {
  try {
    process.kill(-group, "SIGKILL");
  } catch {
    // All its processes have exited.
  }
}

/** The time limit of a tool; most need seconds, but machines are shared. */
export const TOOL_TIMEOUT_MS = 120_000;

// Variables that disable telemetry and updates.
const QUIET = {
  CI: "true",
  NO_COLOR: "1",
  DO_NOT_TRACK: "1",
  DISABLE_TELEMETRY: "1",
};
