import { readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Figures } from "./herd-program.ts";

// Loaded into the program before it starts (NODE_OPTIONS=--import): SIGUSR2 makes it say what it holds.
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

process.on("SIGUSR2", () => void say());

async function say(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    // Finalizers, and what they let go of, need turns of their own.
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
    collect();
  }
  const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  const files = readdirSync("/proc/self/fd").length;
  const figures: Figures = { heapUsed, external, arrayBuffers, rss, files, resources };
  process.stderr.write(`figures ${JSON.stringify(figures)}\n`);
}
