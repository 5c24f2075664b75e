import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Extent } from "./scale.ts";
import { nodeServer, type Server, type Stops } from "./processes.ts";

/** What one case has at hand: a folder that goes away, and what it starts is stopped. */
export interface Scene {
  readonly extent: Extent;
  readonly folder: string;
  readonly stops: Stops;
  /** Starts Keylane, from its source unless another file is named. */
  readonly keylane: (settings: Record<string, string>, file?: string) => Promise<Server>;
}

/** Sets a scene, has the work done in it, and takes down what was started, newest first. */
export async function inScene<Result>(
  extent: Extent,
  work: (scene: Scene) => Promise<Result>,
): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), "keylane-bench-"));
  const clear = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", clear);
  const started: (() => unknown)[] = [];
  const stops: Stops = (stop) => void started.unshift(stop);
  const keylane = (settings: Record<string, string>, file = "src/node.ts") =>
    nodeServer(file, { MAX_AGE: "1h", ...settings }, stops);
  try {
    return await work({ extent, folder, stops, keylane });
  } finally {
    for (const stop of started) await stop();
    clear();
    process.off("exit", clear);
  }
}
