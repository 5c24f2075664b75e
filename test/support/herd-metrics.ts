import { readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { ProgramMetrics } from "./herd-program.ts";

// Loaded into the program before it starts (NODE_OPTIONS=--import): on SIGUSR2 it writes its metrics to stderr.
setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

process.on("SIGUSR2", () => void writeMetrics());

async function writeMetrics(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    // Finalizers, and the objects they free, need event loop turns of their own.
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
    collectGarbage();
  }
  const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  const files = readdirSync("/proc/self/fd").length;
  const metrics: ProgramMetrics = { heapUsed, external, arrayBuffers, rss, files, resources };
  process.stderr.write(`metrics ${JSON.stringify(metrics)}\n`);
}
