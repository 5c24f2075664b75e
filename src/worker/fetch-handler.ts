import { waitUntil } from "cloudflare:workers";
import type { ExecutionContext } from "hono";
import { createApp, type App } from "../app.ts";
import { parseSettings, SettingsError, type Settings, type Environment } from "../config/settings.ts";
import { serializeError, errorBody } from "../http/errors.ts";
import { textResponse, type RawRequest } from "../http/request-context.ts";
import { jsonLogger, type Log, type RequestLog } from "../observability/log.ts";
import { noopMetrics, type MetricsRecorder } from "../observability/metrics.ts";
import { createCacheApiStore, isKvNamespace, createKvStore } from "../storage/cloudflare.ts";
import { createMemoryStore } from "../storage/memory.ts";
import type { RemoteStore } from "../storage/store.ts";
import { isDataset, createAnalyticsEngine } from "./analytics-engine.ts";
import { consoleFiles } from "./console-files.ts";
import { rawRequestFactory } from "./proxy.ts";

/** Replacements for tests. */
export interface Overrides {
  readonly now?: () => number;
  readonly log?: RequestLog;
}

export interface Worker {
  fetch(request: Request, bindings: Environment, context: ExecutionContext): Promise<Response>;
}

/** Makes the Worker: one app per isolate, built at its first request, since bindings come with requests. */
export function createWorker({ now = Date.now, log }: Overrides = {}): Worker {
  let built: { app: App; toRawRequest: (request: Request) => RawRequest } | undefined;

  function build(bindings: Environment) {
    // A Worker cannot keep a connection to Redis across requests.
    const settings = parseSettings({ ...bindings, REDIS_URL: undefined });
    const logger = log ?? jsonLogger(settings.logLevel, now, write);
    if ((bindings["REDIS_URL"] ?? "") !== "") logger.warn({}, "REDIS_URL is not used on Workers");
    // A Worker cannot compress uploads: the free plan allows 10 ms of CPU time per request.
    if (settings.compressUploads) logger.warn({}, "COMPRESS_UPLOADS is not used on Workers");
    const app = createApp(settings, {
      store: createMemoryStore(settings.memoryMaxBytes),
      remoteStore: createRemoteStore(settings, bindings["LISTS"], logger),
      fetch,
      // Lists are stored without content coding: the edge compresses them, and CPU time is scarce.
      codecs: new Map(),
      console: settings.hasConsole ? consoleFiles : new Map(),
      now,
      log: logger,
      metrics: metricsRecorder(bindings["FIGURES"]),
      // An isolate has few concurrent requests: yielding to them would cost more than it gains.
      yieldToEventLoop: async () => {},
      isDraining: () => false,
    });
    return { app, toRawRequest: rawRequestFactory(settings) };
  }

  // The store outside the isolate, whose lists are encrypted; undefined without a secret.
  function createRemoteStore(
    { cacheSecret, listMaxBytes }: Settings,
    lists: unknown,
    log: Log,
  ): RemoteStore | undefined {
    if (lists !== undefined && !isKvNamespace(lists)) {
      throw new SettingsError(["LISTS must be a KV namespace: bind one under [[kv_namespaces]]"]);
    }
    if (cacheSecret === undefined) {
      if (lists !== undefined) log.warn({}, "LISTS is not used without CACHE_SECRET: lists are kept in memory");
      return undefined;
    }
    const options = { maxBytes: listMaxBytes, now, waitUntil };
    return lists === undefined ? createCacheApiStore(options) : createKvStore(lists, options);
  }

  return {
    async fetch(request, bindings, context) {
      try {
        built ??= build(bindings);
      } catch (error) {
        write(error instanceof Error ? error.message : "Cannot start");
        const message = "Keylane's settings are wrong: its operator finds in the log which ones.";
        const body = serializeError(errorBody(500, "bad_settings", message));
        return textResponse(500, "application/json", body, {});
      }
      return built.app.fetch(request, built.toRawRequest(request), context);
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
