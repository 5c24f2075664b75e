import { defineConfig, type ViteUserConfig } from "vitest/config";
import { browser, once, program, root } from "../projects.ts";

const FUZZ = { include: ["test/e2e/concurrency-fuzz.test.ts"] };
const OPERATIONS = 100_000;

/** The tests that take minutes: `npm run test:soak`. */
const config: ViteUserConfig = defineConfig({
  test: {
    root,
    // Some tests wait for installs and browsers, so two cores can run a third worker.
    maxWorkers: 3,
    projects: [
      program("node", FUZZ, OPERATIONS),
      program("workerd", FUZZ, OPERATIONS),
      browser("workerd"),
      once("soak", { include: ["test/soak/*.test.ts"] }),
    ],
  },
});

export default config;
