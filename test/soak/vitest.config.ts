import { defineConfig, type ViteUserConfig } from "vitest/config";
import { browser, once, program, root } from "../projects.ts";

const INTERLEAVINGS = ["test/e2e/concurrency-fuzz.test.ts"];
const extent = { operations: 100_000 };

/** What takes too long for every `npm test`. */
const config: ViteUserConfig = defineConfig({
  test: {
    root,
    // Some of it waits, for installs and for browsers: two cores have time for a third.
    maxWorkers: 3,
    projects: [
      program("node", INTERLEAVINGS, extent),
      program("workerd", INTERLEAVINGS, extent),
      browser("workerd"),
      once("soak", ["test/soak/*.test.ts"]),
    ],
  },
});

export default config;
