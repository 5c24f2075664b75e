import { defineConfig, type ViteUserConfig } from "vitest/config";
import { browser, once, program, root } from "./projects.ts";

const EVERYWHERE = ["test/e2e/*.test.ts"];
const extent = { operations: 5000 };

const config: ViteUserConfig = defineConfig({
  test: {
    root,
    // Most of the time is waiting: for timeouts, for upstreams that hang, for programs to start.
    maxWorkers: 4,
    projects: [
      program("node", EVERYWHERE, extent),
      program("workerd", EVERYWHERE, extent),
      browser("node"),
      once("unit", ["test/unit/**/*.test.ts"]),
      once("node-only", ["test/node/*.test.ts"]),
      once("worker-only", ["test/worker/*.test.ts"], "bundle"),
      once("clients", ["test/clients/*.test.ts"], "bundle"),
    ],
  },
});

export default config;
