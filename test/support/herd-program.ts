import { expect } from "vitest";
import { startProgram, type Program } from "./program.ts";

/** Resources a process uses after a garbage collection. */
export interface ProgramMetrics {
  /** Bytes of heap objects, of memory outside the heap, of array buffers alone, and of the whole process. */
  readonly heapUsed: number;
  readonly external: number;
  readonly arrayBuffers: number;
  readonly rss: number;
  /** Open file descriptors. */
  readonly files: number;
  /** Number of active resources (sockets, timers) by kind, as `process.getActiveResourcesInfo` names it. */
  readonly resources: Readonly<Record<string, number>>;
}

export interface MeasuredProgram extends Program {
  measure(): Promise<ProgramMetrics>;
}

const PRELOAD = new URL("./herd-metrics.ts", import.meta.url).href;

/** Starts Keylane in a process that can be measured. */
export async function startMeasuredProgram(environment: Record<string, string>): Promise<MeasuredProgram> {
  const program = await startProgram({ LOG_LEVEL: "silent", NODE_OPTIONS: `--import ${PRELOAD}`, ...environment });
  const lines = () => program.stderr().match(/^metrics .*\n/gm) ?? [];
  return {
    ...program,
    async measure() {
      const before = lines().length;
      program.child.kill("SIGUSR2");
      await expect.poll(() => lines().length, { timeout: 20_000, interval: 20 }).toBe(before + 1);
      return JSON.parse(lines().at(-1)?.slice("metrics ".length) ?? "") as ProgramMetrics;
    },
  };
}
