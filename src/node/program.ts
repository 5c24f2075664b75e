import pino from "pino";
import { Agent, fetch } from "undici";
import { keylane } from "../app.ts";
import type { Settings } from "../config.ts";
import type { Log, LogLevel } from "../log.ts";
import { memoryStore } from "../stores/memory.ts";
import { codecs } from "./codecs.ts";
import { listen, type Running } from "./server.ts";
import { transport } from "./transport.ts";

const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 60_000;
const OF_A_BROWSER = new Set(["accept-language", "sec-fetch-mode", "cache-control", "pragma"]);
const LOG_BUFFER_BYTES = 16_000;
const LOG_FLUSH_MS = 100;

/** What a test may put in the place of the real thing. */
export interface Substitutes {
  readonly now?: () => number;
  readonly log?: Log;
}

/** Starts Keylane on Node and resolves when it listens. */
export async function start(settings: Settings, { now = Date.now, log }: Substitutes = {}): Promise<Running> {
  if (settings.redisUrl !== undefined)
    throw new Error("Cannot start: REDIS_URL is set, and this version has no Redis");
  // Idle connections stay open for the next call; a list fetch has its own, shorter limits.
  const agent = new Agent({ connect: { timeout: CONNECT_TIMEOUT_MS }, keepAliveTimeout: KEEP_ALIVE_MS });
  // fetch speaks as a browser does; upstream is told Keylane's own fields and nothing else.
  const plain = agent.compose((dispatch) => (options, handler) => {
    const fields = Object.entries(options.headers ?? {}).filter(([name]) => !OF_A_BROWSER.has(name));
    return dispatch({ ...options, headers: Object.fromEntries(fields) }, handler);
  });
  // fetch notes every URL it asks for, query and all, for a page to measure: nobody reads that here.
  performance.setResourceTimingBufferSize(0);
  let isDraining = false;
  const app = keylane(settings, {
    store: memoryStore(settings.memoryMaxBytes),
    fetch: (url, init) => fetch(url, { ...init, dispatcher: plain }),
    codecs,
    now,
    log: log ?? jsonLog(settings.logLevel),
    isDraining: () => isDraining,
  });
  const server = await listen(app, settings, transport(agent, settings), () => {
    isDraining = true;
  });
  return {
    url: server.url,
    async stop() {
      const isWhole = await server.stop();
      await agent.destroy();
      return isWhole;
    },
  };
}

// Lines are written together, when there are 16 KB of them and ten times a second: a write for each would cost more than
// the rest of a hit, and so does pino's own thread for it (test/bench/hit.ts).
function jsonLog(level: LogLevel): Log {
  const destination = pino.destination({
    sync: true,
    minLength: LOG_BUFFER_BYTES,
    periodicFlush: LOG_FLUSH_MS,
  });
  process.once("exit", () => destination.flushSync());
  return pino({ level, base: null, formatters: { level: (label) => ({ level: label }) } }, destination);
}
