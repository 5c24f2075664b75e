import type { TestProjectInlineConfiguration } from "vitest/config";
import type { Runtime } from "./support/keylane.ts";

export const root: string = new URL("..", import.meta.url).pathname;

// On a shared machine a test can miss the moment it waits for: in CI it gets a second try, which is told. What must not happen
// even once, such as a key or a list in the wrong hands, has `retry: 0`.
const retry = process.env["CI"] === "true" ? 1 : 0;
const shared = { root, testTimeout: 20_000, hookTimeout: 60_000, retry };
const globalSetup = ["test/support/worker/bundle.ts"];

interface Extent {
  /** How many operations the interleavings are made of. */
  readonly operations: number;
}

/** The whole program over real HTTP: the same files against Node and against workerd. */
export function program(
  runtime: Runtime,
  include: string[],
  { operations }: Extent,
): TestProjectInlineConfiguration {
  return {
    test: {
      ...shared,
      name: runtime,
      include,
      globalSetup: runtime === "workerd" ? globalSetup : [],
      setupFiles: ["test/support/worker/close.ts"],
      provide: { runtime, operations },
    },
  };
}

/** The console page in a real browser, over either runtime. */
export function browser(runtime: Runtime): TestProjectInlineConfiguration {
  const project = program(runtime, ["test/browser/*.test.ts"], { operations: 0 });
  // A page that is drawn without a graphics card takes its time where others work too.
  return { test: { ...project.test, name: `browser-${runtime}`, testTimeout: 90_000 } };
}

/** Files that run once; `bundle` for those that start a Worker. */
export function once(name: string, include: string[], bundle?: "bundle"): TestProjectInlineConfiguration {
  const provide = { runtime: "node" as const };
  return {
    test: { ...shared, name, include, provide, globalSetup: bundle === undefined ? [] : globalSetup },
  };
}
