import type { TestProjectInlineConfiguration } from "vitest/config";
import type { Runtime } from "./support/keylane.ts";

export const root: string = new URL("..", import.meta.url).pathname;

// On a shared machine a test can miss the moment it waits for, so CI retries it once and reports that. Tests of events
// that must never happen, such as a leaked key or another key's list, have `retry: 0`.
const retry = process.env["CI"] === "true" ? 1 : 0;
const shared = { root, testTimeout: 20_000, hookTimeout: 60_000, retry };
const globalSetup = ["test/support/worker/bundle.ts"];

/** The end-to-end tests that `npm test` leaves out: each takes seconds on every runtime. */
export const LONG_E2E: string[] = [
  "test/e2e/concurrency-fuzz.test.ts",
  "test/e2e/faults-stored.test.ts",
  "test/e2e/key-leaks.test.ts",
  "test/e2e/thundering-herd*.test.ts",
];
/** The tests in `test/node/` that `npm test` runs: the isolation check, and that the documents are right. */
export const QUICK_NODE: string[] = ["contributing", "isolation-check", "readme"].map(
  (name) => `test/node/${name}.test.ts`,
);

interface Files {
  readonly include: string[];
  readonly exclude?: string[];
}

/** Tests over real HTTP, the same files on Node and in workerd. `operations`: length of the concurrency fuzz test. */
export function program(
  runtime: Runtime,
  { include, exclude = [] }: Files,
  operations: number,
  name: string = runtime,
): TestProjectInlineConfiguration {
  return {
    test: {
      ...shared,
      name,
      include,
      exclude,
      globalSetup: runtime === "workerd" ? globalSetup : [],
      setupFiles: ["test/support/worker/close.ts"],
      provide: { runtime, operations },
    },
  };
}

/** Tests of the console page in a real browser, served by either runtime. */
export function browser(runtime: Runtime): TestProjectInlineConfiguration {
  const project = program(runtime, { include: ["test/browser/*.test.ts"] }, 0);
  // Rendering without a graphics card is slow on a shared machine.
  return { test: { ...project.test, name: `browser-${runtime}`, testTimeout: 90_000 } };
}

/** Tests that run once; `bundle` for those that start a Worker. */
export function once(
  name: string,
  { include, exclude = [] }: Files,
  bundle?: "bundle",
): TestProjectInlineConfiguration {
  const provide = { runtime: "node" as const };
  return {
    test: { ...shared, name, include, exclude, provide, globalSetup: bundle === undefined ? [] : globalSetup },
  };
}
