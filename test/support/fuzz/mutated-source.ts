import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Mutant } from "./mutants.ts";
import type { StartKeylane } from "./run.ts";

const ROOT = new URL("../../../", import.meta.url).pathname;

/** Copies the source, edits the copy, and gives a function that starts it on Node. The copy is removed after the test. */
export async function mutatedKeylane({ edits }: Pick<Mutant, "edits">): Promise<StartKeylane> {
  const folder = await mkdtemp(join(tmpdir(), "keylane-mutant-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await cp(join(ROOT, "src"), join(folder, "src"), { recursive: true });
  for (const file of ["package.json", "tsconfig.json"]) await cp(join(ROOT, file), join(folder, file));
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  for (const { file, from, to } of edits) {
    const path = join(folder, "src", file);
    const pieces = (await readFile(path, "utf8")).split(from);
    if (pieces.length !== 2)
      throw new Error(`Cannot edit ${file}: it must contain this text once, got ${pieces.length - 1} times: ${from}`);
    await writeFile(path, pieces.join(to));
  }
  const load = <T>(file: string): Promise<T> => import(/* @vite-ignore */ join(folder, "src", file)) as Promise<T>;
  const { parseSettings } = await load<typeof import("../../../src/config/settings.ts")>("config/settings.ts");
  const { jsonLogger } = await load<typeof import("../../../src/observability/log.ts")>("observability/log.ts");
  const { start } = await load<typeof import("../../../src/node/start.ts")>("node/start.ts");
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
