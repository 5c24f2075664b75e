import type { ExecutionContext } from "hono";
import { keylane, type App } from "../app.ts";
import { settings, type Source } from "../config.ts";
import { envelope, problem } from "../errors.ts";
import { lineLog, type Log } from "../log.ts";
import { memoryStore } from "../stores/memory.ts";
import { arrival } from "./transport.ts";

/** What a test may put in the place of the real thing. */
export interface Substitutes {
  readonly now?: () => number;
  readonly log?: Log;
}

export interface Worker {
  fetch(request: Request, bindings: Source, context: ExecutionContext): Promise<Response>;
}

/** Makes the Worker: one app per isolate, built by the first request, since there are no bindings before it. */
export function worker({ now = Date.now, log }: Substitutes = {}): Worker {
  let built: { app: App; arrive: ReturnType<typeof arrival> } | undefined;

  function build(bindings: Source) {
    const found = settings(bindings);
    const app = keylane(found, {
      store: memoryStore(found.memoryMaxBytes),
      fetch,
      // Nothing is coded here: the edge compresses on the way to the caller, and CPU time is what a Worker is short of.
      codecs: new Map(),
      now,
      log: log ?? lineLog(found.logLevel, now, write),
      isDraining: () => false,
    });
    return { app, arrive: arrival(found) };
  }

  return {
    async fetch(request, bindings, context) {
      try {
        built ??= build(bindings);
      } catch (error) {
        write(error instanceof Error ? error.message : "Cannot start");
        const message = "Keylane's settings are wrong: its operator finds in the log which ones.";
        const body = envelope(problem(500, "bad_settings", message));
        return new Response(body, { status: 500, headers: { "Content-Type": "application/json" } });
      }
      return built.app.fetch(request, built.arrive(request), context);
    },
  };
}

function write(line: string): void {
  // oxlint-disable-next-line no-console -- the console is a Worker's log
  console.log(line);
}
