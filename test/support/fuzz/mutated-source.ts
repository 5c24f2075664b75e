import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Mutant } from "./mutants.ts";
import type { Start } from "./run.ts";

const ROOT = new URL("../../../", import.meta.url).pathname;

/** Copies the source, changes the copy, and gives what starts it on Node; it is removed when the test ends. */
export async function mutatedKeylane({ edits }: Pick<Mutant, "edits">): Promise<Start> {
  const folder = await mkdtemp(join(tmpdir(), "keylane-mutant-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await cp(join(ROOT, "src"), join(folder, "src"), { recursive: true });
  for (const file of ["package.json", "tsconfig.json"]) await cp(join(ROOT, file), join(folder, file));
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  for (const { file, from, to } of edits) {
    const path = join(folder, "src", file);
    const pieces = (await readFile(path, "utf8")).split(from);
    if (pieces.length !== 2)
      throw new Error(`Cannot change ${file}: ${from} must be there once, found it ${pieces.length - 1} times`);
    await writeFile(path, pieces.join(to));
  }
  const at = <T>(file: string): Promise<T> => import(/* @vite-ignore */ join(folder, "src", file)) as Promise<T>;
  const { parseSettings } = await at<typeof import("../../../src/config/settings.ts")>("config/settings.ts");
  const { jsonLogger } = await at<typeof import("../../../src/observability/log.ts")>("observability/log.ts");
  const { start } = await at<typeof import("../../../src/node/start.ts")>("node/start.ts");
  return async (source) => {
    const lines: string[] = [];
    let offsetMs = 0;
    const running = await start(parseSettings({ PORT: "0", DRAIN_TIMEOUT: "1ms", ...source }), {
      now: () => Date.now() + offsetMs,
      log: jsonLogger("trace", Date.now, (line) => lines.push(line)),
    });
    return {
      url: running.url,
      advance: async (ms) => void (offsetMs += ms),
      log: async () => lines,
      stop: async () => void (await running.stop()),
    };
  };
}
