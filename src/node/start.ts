import { setImmediate as nextTurn } from "node:timers/promises";
import { Agent, fetch } from "undici";
import { keylane } from "../app.ts";
import type { Settings } from "../config/settings.ts";
import { longestLifeMs } from "../http/freshness.ts";
import type { RequestLog } from "../observability/log.ts";
import { memoryStore } from "../storage/memory.ts";
import { unobserved } from "../observability/metrics.ts";
import { codecs } from "./codecs.ts";
import { connector } from "./connector.ts";
import { consoleFiles } from "./console-files.ts";
import { listen, type Running } from "./server.ts";
import { metrics } from "./prometheus.ts";
import { transport } from "./proxy.ts";

const CONNECT_TIMEOUT_MS = 10_000;
// Less than the 75 s of many servers, so that a connection is seldom closed under a call that is on its way: nothing is
// sent twice. Where upstream names a time of its own (Keep-Alive), it counts, less undici's two seconds.
const KEEP_ALIVE_MS = 60_000;
const OF_A_BROWSER = new Set(["accept-language", "sec-fetch-mode", "cache-control", "pragma"]);

export interface Surroundings {
  readonly log: RequestLog;
  /** Milliseconds since the epoch; the system's clock unless given. */
  readonly now?: () => number;
}

/** Starts Keylane on Node and resolves when it listens. */
export async function start(settings: Settings, { log, now = Date.now }: Surroundings): Promise<Running> {
  // Idle connections stay open for the next call; a list fetch has its own, shorter limits.
  const agent = new Agent({
    connect: connector(CONNECT_TIMEOUT_MS),
    allowH2: false,
    keepAliveTimeout: KEEP_ALIVE_MS,
  });
  // fetch speaks as a browser does; upstream is told Keylane's own fields and nothing else.
  const plain = agent.compose((dispatch) => (options, handler) => {
    const fields = Object.entries(options.headers ?? {}).filter(([name]) => !OF_A_BROWSER.has(name));
    return dispatch({ ...options, headers: Object.fromEntries(fields) }, handler);
  });
  // fetch notes every URL it asks for, query and all, for a page to measure: nobody reads that here.
  performance.setResourceTimingBufferSize(0);
  const { redisUrl, listMaxBytes: maxBytes } = settings;
  // The client is imported only where there is a Redis: it is a tenth of the memory at rest.
  const vault =
    redisUrl === undefined
      ? undefined
      : (await import("../storage/redis.ts")).redisVault(redisUrl, {
          maxBytes,
          markMs: longestLifeMs(settings),
          now,
        });
  // So that the first callers of a new process find what its neighbours know.
  await vault?.tried;
  const figures = settings.metrics ? metrics(settings.memoryMaxBytes) : undefined;
  let isDraining = false;
  const app = keylane(settings, {
    store: memoryStore(settings.memoryMaxBytes),
    vault,
    fetch: (url, init) => fetch(url, { ...init, dispatcher: plain }),
    codecs,
    console: settings.hasConsole ? consoleFiles() : new Map(),
    now,
    log,
    observe: figures?.observe ?? unobserved,
    nextTurn,
    metrics: figures?.page,
    isDraining: () => isDraining,
  });
  const server = await listen(app, settings, transport(agent, settings), () => {
    isDraining = true;
  }).catch((fault: unknown) => {
    // A connection would keep a process alive that has nothing to do.
    vault?.close();
    throw fault;
  });
  return {
    url: server.url,
    async stop() {
      const isWhole = await server.stop();
      vault?.close();
      await agent.destroy();
      return isWhole;
    },
  };
}
