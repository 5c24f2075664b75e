import { inject } from "vitest";
import { parseSettings } from "../../src/config/settings.ts";
import { jsonLogger } from "../../src/observability/log.ts";
import { start } from "../../src/node/start.ts";
import { startWorkerd, type Workerd } from "./worker/workerd.ts";

/** Keylane as a test sees it: an address, a clock that can be moved, a log that can be read. */
export interface Keylane {
  /** Such as `http://127.0.0.1:43121`, without a slash at the end. */
  readonly url: string;
  /** Moves Keylane's clock; timers are not touched. */
  advance(ms: number): Promise<void>;
  /** Every line logged so far, as JSON text. */
  log(): Promise<string[]>;
  stop(): Promise<void>;
}

export type Runtime = "node" | "workerd";

declare module "vitest" {
  interface ProvidedContext {
    runtime: Runtime;
    /** How many operations the interleavings are made of. */
    operations: number;
    /** The bundled Worker with its movable clock. */
    workerUnderTest: string;
    /** The bundled Worker as it is deployed. */
    deployedWorker: string;
  }
}

/** The runtime of this run: the same test files run once with each. */
export const runtime: Runtime = inject("runtime");

/** Starts Keylane with the settings given as an operator writes them, on the runtime of this run. */
export function startKeylane(source: Record<string, string>): Promise<Keylane> {
  return runtime === "node" ? onNode(source) : inWorkerd(source);
}

async function onNode(source: Record<string, string>): Promise<Keylane> {
  const lines: string[] = [];
  const log = jsonLogger("trace", Date.now, (line) => lines.push(line));
  let offsetMs = 0;
  const running = await start(parseSettings({ PORT: "0", DRAIN_TIMEOUT: "1ms", ...source }), {
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

// One workerd for a test file; each start is a new Worker inside it.
let workerd: Promise<Workerd> | undefined;

async function inWorkerd(source: Record<string, string>): Promise<Keylane> {
  workerd ??= startWorkerd(inject("workerUnderTest"));
  const { url } = await workerd;
  const body = JSON.stringify({ settings: source });
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
