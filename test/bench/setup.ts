import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Scale } from "./scale.ts";
import { nodeServer, type Server, type OnCleanup } from "./processes.ts";

/** What one case has at hand: a folder that goes away, and what it starts is stopped. */
export interface BenchSetup {
  readonly scale: Scale;
  readonly folder: string;
  readonly onCleanup: OnCleanup;
  /** Starts Keylane, from its source unless another file is named. */
  readonly keylane: (settings: Record<string, string>, file?: string) => Promise<Server>;
}

/** Runs work with a setup, and stops what it started afterwards, newest first. */
export async function withSetup<Result>(scale: Scale, work: (setup: BenchSetup) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), "keylane-bench-"));
  const clear = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", clear);
  const started: (() => unknown)[] = [];
  const onCleanup: OnCleanup = (stop) => void started.unshift(stop);
  const keylane = (settings: Record<string, string>, file = "src/node.ts") =>
    nodeServer(file, { MAX_AGE: "1h", ...settings }, onCleanup);
  try {
    return await work({ scale, folder, onCleanup, keylane });
  } finally {
    for (const stop of started) await stop();
    clear();
    process.off("exit", clear);
  }
}
