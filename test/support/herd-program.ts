import { expect } from "vitest";
import { startProgram, type Program } from "./program.ts";

/** What a process holds after a collection. */
export interface Figures {
  /** Bytes of objects, of buffers and other things outside the heap, of buffers alone, of the whole process. */
  readonly heapUsed: number;
  readonly external: number;
  readonly arrayBuffers: number;
  readonly rss: number;
  /** Open file descriptors. */
  readonly files: number;
  /** What keeps it awake (sockets, timers), by kind, as `process.getActiveResourcesInfo` names it. */
  readonly resources: Readonly<Record<string, number>>;
}

export interface MeasuredProgram extends Program {
  /** Asks it what it holds now. */
  figures(): Promise<Figures>;
}

const PRELOAD = new URL("./herd-metrics.ts", import.meta.url).href;

/** Starts the real program in a process that says what it holds. */
export async function measuredProgram(environment: Record<string, string>): Promise<MeasuredProgram> {
  const program = await startProgram({
    LOG_LEVEL: "silent",
    NODE_OPTIONS: `--import ${PRELOAD}`,
    ...environment,
  });
  const said = () => program.stderr().match(/^figures .*\n/gm) ?? [];
  return {
    ...program,
    async figures() {
      const before = said().length;
      program.child.kill("SIGUSR2");
      await expect.poll(() => said().length, { timeout: 20_000, interval: 20 }).toBe(before + 1);
      return JSON.parse(said().at(-1)?.slice("figures ".length) ?? "") as Figures;
    },
  };
}
