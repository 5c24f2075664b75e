import { defineConfig, type TestProjectInlineConfiguration, type ViteUserConfig } from "vitest/config";
import { browser, LONG_E2E, once, program, QUICK_NODE, root } from "./projects.ts";
import { quickProjects } from "./vitest.config.ts";

const LONG = { include: LONG_E2E };
const OPERATIONS = 5000;

/** The projects that only `npm run test:all` runs. */
export const longProjects: TestProjectInlineConfiguration[] = [
  program("node", LONG, OPERATIONS, "node-long"),
  program("workerd", LONG, OPERATIONS, "workerd-long"),
  browser("node"),
  once("node-only", { include: ["test/node/*.test.ts"], exclude: QUICK_NODE }),
  once("worker-only", { include: ["test/worker/*.test.ts"] }, "bundle"),
  once("clients", { include: ["test/clients/*.test.ts"] }, "bundle"),
];

const config: ViteUserConfig = defineConfig({
  test: { root, maxWorkers: 4, projects: [...quickProjects, ...longProjects] },
});

export default config;
