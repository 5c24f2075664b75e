import { inject } from "vitest";
import { parseSettings } from "../../src/config/settings.ts";
import { jsonLogger } from "../../src/observability/log.ts";
import { start } from "../../src/node/start.ts";
import { startWorkerd, type Workerd } from "./worker/workerd.ts";

/** A running Keylane with a movable clock and a readable log. */
export interface Keylane {
  /** Such as `http://127.0.0.1:43121`, without a trailing slash. */
  readonly url: string;
  /** Moves Keylane's clock; timers are not affected. */
  advance(ms: number): Promise<void>;
  /** Every line logged so far, as JSON text. */
  log(): Promise<string[]>;
  stop(): Promise<void>;
}

export type Runtime = "node" | "workerd";

declare module "vitest" {
  interface ProvidedContext {
    runtime: Runtime;
    /** How many operations the concurrency fuzz test runs. */
    operations: number;
    /** The bundled Worker with its movable clock. */
    workerUnderTest: string;
    /** The bundled Worker as deployed. */
    deployedWorker: string;
  }
}

/** The runtime of this run: every file in test/e2e runs once on each. */
export const runtime: Runtime = inject("runtime");

/** Starts Keylane with these settings, as in the environment, on the runtime of this run. */
export function startKeylane(settings: Record<string, string>): Promise<Keylane> {
  return runtime === "node" ? startOnNode(settings) : startInWorkerd(settings);
}

async function startOnNode(settings: Record<string, string>): Promise<Keylane> {
  const lines: string[] = [];
  const log = jsonLogger("trace", Date.now, (line) => lines.push(line));
  let offsetMs = 0;
  const running = await start(parseSettings({ PORT: "0", DRAIN_TIMEOUT: "1ms", ...settings }), {
    now: () => Date.now() + offsetMs,
    log,
  });
  return {
    url: running.url,
    advance: async (ms) => void (offsetMs += ms),
    log: async () => lines,
    stop: async () => void (await running.stop()),
  };
}

// One workerd per test file; each start is a new Worker inside it.
let workerd: Promise<Workerd> | undefined;

async function startInWorkerd(settings: Record<string, string>): Promise<Keylane> {
  workerd ??= startWorkerd(inject("workerUnderTest"));
  const { url } = await workerd;
  const body = JSON.stringify({ settings });
  await fetch(`${url}/__test/start`, { method: "POST", body });
  return {
    url,
    advance: async (ms) => void (await fetch(`${url}/__test/advance?ms=${ms}`)),
    log: async () => (await fetch(`${url}/__test/log`)).json() as Promise<string[]>,
    stop: async () => {},
  };
}

/** Stops the workerd of this test file. */
export async function closeWorkerd(): Promise<void> {
  await (await workerd)?.stop();
  workerd = undefined;
}
