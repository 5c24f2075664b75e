import { setImmediate as yieldToEventLoop } from "node:timers/promises";
import { Agent, fetch } from "undici";
import { createApp } from "../app.ts";
import type { Settings } from "../config/settings.ts";
import { retentionMs } from "../http/freshness.ts";
import type { RequestLog } from "../observability/log.ts";
import { noopMetrics } from "../observability/metrics.ts";
import { createMemoryStore } from "../storage/memory.ts";
import { codecs } from "./codecs.ts";
import { createConnector } from "./connector.ts";
import { readConsoleFiles } from "./console-files.ts";
import { createPrometheusMetrics } from "./prometheus.ts";
import { createProxy } from "./proxy.ts";
import { startServer, type RunningServer } from "./server.ts";

const CONNECT_TIMEOUT_MS = 10_000;
// Less than the 75 s of many servers, so that a connection is seldom closed under a call that is on its way: nothing is
// sent twice. Where upstream names a time of its own (Keep-Alive), it counts, less undici's two seconds.
const KEEP_ALIVE_MS = 60_000;
const BROWSER_HEADERS = new Set(["accept-language", "sec-fetch-mode", "cache-control", "pragma"]);

export interface StartOptions {
  readonly log: RequestLog;
  /** Milliseconds since the epoch; the system's clock unless given. */
  readonly now?: () => number;
}

/** Starts Keylane on Node and resolves when it listens. */
export async function start(settings: Settings, { log, now = Date.now }: StartOptions): Promise<RunningServer> {
  // Idle connections stay open for the next call; a list fetch has its own, shorter limits.
  const agent = new Agent({
    connect: createConnector(CONNECT_TIMEOUT_MS),
    allowH2: false,
    keepAliveTimeout: KEEP_ALIVE_MS,
  });
  // fetch adds a browser's headers; upstream gets Keylane's own and nothing else.
  const listDispatcher = agent.compose((dispatch) => (options, handler) => {
    const headers = Object.entries(options.headers ?? {}).filter(([name]) => !BROWSER_HEADERS.has(name));
    return dispatch({ ...options, headers: Object.fromEntries(headers) }, handler);
  });
  // fetch records every URL, with its query, for performance measurements that nobody reads here.
  performance.setResourceTimingBufferSize(0);
  const { redisUrl, listMaxBytes: maxBytes } = settings;
  // Imported only where there is a Redis: the client takes a tenth of the idle memory.
  const remoteStore =
    redisUrl === undefined
      ? undefined
      : (await import("../storage/redis.ts")).createRedisStore(redisUrl, {
          maxBytes,
          tombstoneTtlMs: retentionMs(settings),
          now,
        });
  // The first clients of a new process then find the lists of its peers.
  await remoteStore?.firstAttempt;
  const prometheus = settings.metrics ? createPrometheusMetrics(settings.memoryMaxBytes) : undefined;
  let isDraining = false;
  const app = createApp(settings, {
    store: createMemoryStore(settings.memoryMaxBytes),
    remoteStore,
    fetch: (url, init) => fetch(url, { ...init, dispatcher: listDispatcher }),
    codecs,
    console: settings.hasConsole ? readConsoleFiles() : new Map(),
    now,
    log,
    metrics: prometheus?.recorder ?? noopMetrics,
    yieldToEventLoop,
    metricsPage: prometheus?.page,
    isDraining: () => isDraining,
  });
  const server = await startServer(app, settings, createProxy(agent, settings), () => {
    isDraining = true;
  }).catch((error: unknown) => {
    // An open connection would keep the process alive.
    remoteStore?.close();
    throw error;
  });
  return {
    url: server.url,
    async stop() {
      const isWhole = await server.stop();
      remoteStore?.close();
      await agent.destroy();
      return isWhole;
    },
  };
}
