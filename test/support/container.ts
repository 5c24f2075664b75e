import { execFile, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { onTestFinished, test } from "vitest";

const exec = promisify(execFile);

// What a container is made of: namespaces, which root may make, and a program that gives root up.
const isHere = spawnSync("unshare", ["--mount", "--pid", "--fork", "setpriv", "--reuid=1000", "true"]).status === 0;
if (!isHere) console.warn("Skipped: tests that need root, unshare and setpriv, which are not all here.");

/** `test` for what needs a container: skipped where none can be made, unless CI=true says that it has to be. */
export const testInContainer: typeof test.only = test.skipIf(!isHere && process.env["CI"] !== "true");

export interface Container {
  /** The program's own process, as it is seen from here. */
  readonly pid: number;
  readonly child: ChildProcess;
  /** Resolves with the exit code of the program. */
  readonly exited: Promise<number | NodeJS.Signals>;
  /** Runs another program beside it, as the same user on the same files. */
  exec(command: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }>;
  said(): string;
}

/**
 * Runs a program as a container would: as process 1 of its own, which gets no signal it does not listen for; as a user
 * that is not root, without capabilities; on files that nobody can write.
 */
export async function startContainer(
  folder: string,
  command: readonly string[],
  user: string,
  environment: Record<string, string>,
): Promise<Container> {
  const [uid = "", gid = ""] = user.split(":");
  const bounds = [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--bounding-set=-all", "--no-new-privs"];
  // A folder that /tmp hides from the user is shown under another name.
  const script = `mount --bind "$0" /mnt && mount --bind /tmp /tmp &&
    for place in / /tmp /mnt; do mount -o remount,bind,ro "$place" || exit 1; done
    cd /mnt && exec setpriv ${bounds.join(" ")} -- "$@"`;
  const flags = ["--mount", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL"];
  const child = spawn("unshare", [...flags, "sh", "-c", script, folder, ...command], {
    env: { PATH: process.env["PATH"], ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (said += String(data)));
  const exited = once(child, "close").then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  while (!said.includes("listens")) {
    await Promise.race([
      Promise.race([once(child.stderr, "data"), once(child.stdout, "data")]),
      exited.then((code) => Promise.reject(new Error(`It ended with ${code}: ${said}`))),
    ]);
  }
  const children = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, "utf8");
  const pid = Number(children.trim());
  return {
    pid,
    child,
    exited,
    said: () => said,
    async exec(args) {
      const inside = ["--target", String(pid), "--mount", "--pid", "--wd=/mnt", "setpriv", ...bounds, "--"];
      try {
        const found = await exec("nsenter", [...inside, ...args], {
          env: { PATH: process.env["PATH"], ...environment },
        });
        return { code: 0, ...found };
      } catch (error) {
        const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
        return { code, stdout, stderr };
      }
    },
  };
}
