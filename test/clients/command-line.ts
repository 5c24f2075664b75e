import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished } from "vitest";

/** A computer's home folder, as a tool sees it. */
export interface Home {
  readonly path: string;
  /** Runs one command line in it, without input, and gives what it wrote; throws where it ends with an error. */
  readonly run: (program: string, args: readonly string[], environment?: Record<string, string>) => Promise<string>;
}

/** Makes a home folder with the files given; it goes when the test ends, and with it all processes that were started in it. */
export async function home(files: Record<string, string> = {}): Promise<Home> {
  const path = await mkdtemp(join(tmpdir(), "keylane-home-"));
  const groups: number[] = [];
  onTestFinished(async () => {
    for (const group of groups) endGroup(group);
    // What has just been ended may still write.
    await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  });
  for (const [name, text] of Object.entries({ "work/.keep": "", ...files })) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), text);
  }
  return {
    path,
    async run(program, args, environment = {}) {
      const env = { PATH: process.env["PATH"], HOME: path, TMPDIR: path, ...QUIET, ...environment };
      // A group of its own, so that what a tool leaves running ends with it.
      const child = spawn(program, args, {
        cwd: join(path, "work"),
        env,
        detached: true,
        stdio: ["ignore", "pipe", "pipe"],
      });
      if (child.pid !== undefined) groups.push(child.pid);
      const said = { stdout: "", stderr: "" };
      for (const name of ["stdout", "stderr"] as const) {
        child[name].setEncoding("utf8").on("data", (text: string) => (said[name] += text));
      }
      const late = setTimeout(() => child.kill("SIGKILL"), LONGEST_MS);
      // What it leaves running may hold on to its output.
      const closed = once(child, "close");
      const [code] = (await once(child, "exit")) as [number | null];
      await Promise.race([closed, sleep(500)]);
      clearTimeout(late);
      if (code !== 0) throw new Error(`${program} ended with ${code}: ${said.stderr}${said.stdout}`);
      return said.stdout;
    },
  };
}

/** Ends a process and those that it started, where they still run. */
export function endGroup(group: number): void {
  try {
    process.kill(-group, "SIGKILL");
  } catch {
    // They have ended already.
  }
}

/** How long a tool may take; most need seconds, but machines are shared. */
export const LONGEST_MS = 120_000;

// What tools read before they phone home or update themselves.
const QUIET = {
  CI: "true",
  NO_COLOR: "1",
  DO_NOT_TRACK: "1",
  DISABLE_TELEMETRY: "1",
};
