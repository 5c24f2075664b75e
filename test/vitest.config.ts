import { defineConfig, type ViteUserConfig } from "vitest/config";

const root = new URL("..", import.meta.url).pathname;
const shared = { root, testTimeout: 20_000, hookTimeout: 60_000 };
const globalSetup = ["test/support/worker/bundle.ts"];

// The whole program over real HTTP: the same files against Node and against workerd.
const program = (runtime: "node" | "workerd") => ({
  test: {
    ...shared,
    name: runtime,
    include: ["test/*.test.ts"],
    globalSetup: runtime === "workerd" ? globalSetup : [],
    setupFiles: ["test/support/worker/close.ts"],
    provide: { runtime },
  },
});

const once = (name: string, include: string[], more: object = {}) => ({
  test: { ...shared, name, include, provide: { runtime: "node" as const }, ...more },
});

const config: ViteUserConfig = defineConfig({
  test: {
    root,
    projects: [
      program("node"),
      program("workerd"),
      once("laws", ["test/laws/*.test.ts"]),
      once("node-only", ["test/node/*.test.ts"]),
      once("worker-only", ["test/worker/*.test.ts"], { globalSetup }),
      once("clients", ["test/clients/*.test.ts"], { globalSetup }),
    ],
  },
});

export default config;
