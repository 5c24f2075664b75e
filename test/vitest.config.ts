import { defineConfig, type TestProjectInlineConfiguration, type ViteUserConfig } from "vitest/config";
import { LONG_E2E, once, program, QUICK_NODE, root } from "./projects.ts";

const E2E = { include: ["test/e2e/*.test.ts"], exclude: LONG_E2E };

/** The projects of `npm test`, which takes about a minute and needs nothing beyond npm. */
export const quickProjects: TestProjectInlineConfiguration[] = [
  once("unit", { include: ["test/unit/**/*.test.ts"] }),
  once("documents", { include: QUICK_NODE }),
  program("node", E2E, 0),
  program("workerd", E2E, 0),
];

// More workers than cores, since tests mostly wait: for timeouts, hanging upstreams and starting programs.
const config: ViteUserConfig = defineConfig({ test: { root, maxWorkers: 4, projects: quickProjects } });

export default config;
