import { waitUntil } from "cloudflare:workers";
import type { ExecutionContext } from "hono";
import { createApp, type App } from "../app.ts";
import { parseSettings, SettingsError, type Settings, type Environment } from "../config/settings.ts";
import { serializeError, errorBody } from "../http/errors.ts";
import { jsonLogger, type Log, type RequestLog } from "../observability/log.ts";
import type { RemoteStore } from "../storage/store.ts";
import { createCacheApiStore, isKvNamespace, createKvStore } from "../storage/cloudflare.ts";
import { noopMetrics, type MetricsRecorder } from "../observability/metrics.ts";
import { createMemoryStore } from "../storage/memory.ts";
import { consoleFiles } from "./console-files.ts";
import { isDataset, createAnalyticsEngine } from "./analytics-engine.ts";
import { createRawRequest } from "./proxy.ts";

/** What a test may put in the place of the real thing. */
export interface Overrides {
  readonly now?: () => number;
  readonly log?: RequestLog;
}

export interface Worker {
  fetch(request: Request, bindings: Environment, context: ExecutionContext): Promise<Response>;
}

/** Makes the Worker: one app per isolate, built by the first request, since there are no bindings before it. */
export function createWorker({ now = Date.now, log }: Overrides = {}): Worker {
  let built: { app: App; arrive: ReturnType<typeof createRawRequest> } | undefined;

  function build(bindings: Environment) {
    // A Worker cannot keep a connection to Redis from one request to the next.
    const found = parseSettings({ ...bindings, REDIS_URL: undefined });
    const logger = log ?? jsonLogger(found.logLevel, now, write);
    if ((bindings["REDIS_URL"] ?? "") !== "") logger.warn({}, "REDIS_URL is not used on Workers");
    // Nor is there time to compress: the free plan has 10 ms of CPU for a request.
    if (found.compressUploads) logger.warn({}, "COMPRESS_UPLOADS is not used on Workers");
    const app = createApp(found, {
      store: createMemoryStore(found.memoryMaxBytes),
      remoteStore: remoteStore_(found, bindings["LISTS"], logger),
      fetch,
      // Nothing is coded here: the edge compresses on the way to the caller, and CPU time is what a Worker is short of.
      codecs: new Map(),
      console: found.hasConsole ? consoleFiles : new Map(),
      now,
      log: logger,
      metrics_: metricsRecorder(bindings["FIGURES"]),
      // An isolate has few others to let in, and a timer would cost a request more than they gain.
      yieldToEventLoop: async () => {},
      isDraining: () => false,
    });
    return { app, arrive: createRawRequest(found) };
  }

  // Where lists are kept outside the isolate: sealed, or not at all.
  function remoteStore_(
    { cacheSecret, listMaxBytes }: Settings,
    lists: unknown,
    log: Log,
  ): RemoteStore | undefined {
    if (lists !== undefined && !isKvNamespace(lists)) {
      throw new SettingsError(["LISTS must be a KV namespace: bind one under [[kv_namespaces]]"]);
    }
    if (cacheSecret === undefined) {
      if (lists !== undefined)
        log.warn({}, "LISTS is not used without CACHE_SECRET: lists are kept in memory");
      return undefined;
    }
    const settings = { maxBytes: listMaxBytes, now, waitUntil };
    return lists === undefined ? createCacheApiStore(settings) : createKvStore(lists, settings);
  }

  return {
    async fetch(request, bindings, context) {
      try {
        built ??= build(bindings);
      } catch (error) {
        write(error instanceof Error ? error.message : "Cannot start");
        const message = "Keylane's settings are wrong: its operator finds in the log which ones.";
        const body = serializeError(errorBody(500, "bad_settings", message));
        return new Response(body, { status: 500, headers: { "Content-Type": "application/json" } });
      }
      return built.app.fetch(request, built.arrive(request), context);
    },
  };
}

function metricsRecorder(dataset: unknown): MetricsRecorder {
  if (dataset === undefined) return noopMetrics;
  if (isDataset(dataset)) return createAnalyticsEngine(dataset);
  throw new SettingsError([
    "FIGURES must be an Analytics Engine dataset: bind one under [[analytics_engine_datasets]]",
  ]);
}

function write(line: string): void {
  // oxlint-disable-next-line no-console -- the console is a Worker's log
  console.log(line);
}
