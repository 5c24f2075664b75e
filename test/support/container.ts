import { execFile, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { onTestFinished, test } from "vitest";

const exec = promisify(execFile);

// A container is made of namespaces, which need root, and of setpriv, which drops root.
const canContain = spawnSync("unshare", ["--mount", "--pid", "--fork", "setpriv", "--reuid=1000", "true"]).status === 0;
if (!canContain) console.warn("Skipped: tests that need root, unshare and setpriv.");

/** `test` for tests that need a container: skipped where none can be made, unless CI=true. */
export const testInContainer: typeof test.only = test.skipIf(!canContain && process.env["CI"] !== "true");

export interface Container {
  /** The program's process id outside the container. */
  readonly pid: number;
  readonly child: ChildProcess;
  /** Resolves with the exit code of the program. */
  readonly exited: Promise<number | NodeJS.Signals>;
  /** Runs another program in the container. */
  exec(command: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }>;
  /** All output so far. */
  output(): string;
}

/**
 * Runs a program as a container would: as process 1, which receives only signals that it handles; as a user other than
 * root, without capabilities; on a read-only file system.
 */
export async function startContainer(
  folder: string,
  command: readonly string[],
  user: string,
  environment: Record<string, string>,
): Promise<Container> {
  const [uid = "", gid = ""] = user.split(":");
  const privileges = [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--bounding-set=-all", "--no-new-privs"];
  // The user may have no access to the folder's parents, so it is mounted at /mnt.
  const script = `mount --bind "$0" /mnt && mount --bind /tmp /tmp &&
    for path in / /tmp /mnt; do mount -o remount,bind,ro "$path" || exit 1; done
    cd /mnt && exec setpriv ${privileges.join(" ")} -- "$@"`;
  const flags = ["--mount", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL"];
  const child = spawn("unshare", [...flags, "sh", "-c", script, folder, ...command], {
    env: { PATH: process.env["PATH"], ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += String(data)));
  const exited = once(child, "close").then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  while (!output.includes("listens")) {
    await Promise.race([
      Promise.race([once(child.stderr, "data"), once(child.stdout, "data")]),
      exited.then((code) => Promise.reject(new Error(`It ended with ${code}: ${output}`))),
    ]);
  }
  const children = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, "utf8");
  const pid = Number(children.trim());
  return {
    pid,
    child,
    exited,
    output: () => output,
    async exec(args) {
      const options = ["--target", String(pid), "--mount", "--pid", "--wd=/mnt", "setpriv", ...privileges, "--"];
      try {
        const result = await exec("nsenter", [...options, ...args], {
          env: { PATH: process.env["PATH"], ...environment },
        });
        return { code: 0, ...result };
      } catch (error) {
        const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
        return { code, stdout, stderr };
      }
    },
  };
}
