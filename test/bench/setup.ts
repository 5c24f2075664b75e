import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Scale } from "./scale.ts";
import { nodeServer, type Server, type OnCleanup } from "./processes.ts";

/** Resources of one case, removed and stopped when it ends. */
export interface BenchSetup {
  readonly scale: Scale;
  readonly folder: string;
  readonly onCleanup: OnCleanup;
  /** Starts Keylane, from source unless `file` names another entry file. */
  readonly keylane: (settings: Record<string, string>, file?: string) => Promise<Server>;
}

/** Runs work with a setup; afterwards stops what it started, newest first. */
export async function withSetup<Result>(scale: Scale, work: (setup: BenchSetup) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), "keylane-bench-"));
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", removeFolder);
  const cleanups: (() => unknown)[] = [];
  const onCleanup: OnCleanup = (stop) => void cleanups.unshift(stop);
  const keylane = (settings: Record<string, string>, file = "src/node.ts") =>
    nodeServer(file, { MAX_AGE: "1h", ...settings }, onCleanup);
  try {
    return await work({ scale, folder, onCleanup, keylane });
  } finally {
    for (const stop of cleanups) await stop();
    removeFolder();
    process.off("exit", removeFolder);
  }
}
