import { waitUntil } from "cloudflare:workers";
import type { ExecutionContext } from "hono";
import { keylane, type App } from "../app.ts";
import { settings, SettingsError, type Settings, type Source } from "../config/settings.ts";
import { envelope, problem } from "../http/errors.ts";
import { lineLog, type Log, type RequestLog } from "../observability/log.ts";
import type { Vault } from "../storage/store.ts";
import { cacheVault, isKvNamespace, kvVault } from "../storage/cloudflare.ts";
import { unobserved, type Observe } from "../observability/metrics.ts";
import { memoryStore } from "../storage/memory.ts";
import { consoleFiles } from "./console-files.ts";
import { isDataset, points } from "./analytics-engine.ts";
import { arrival } from "./proxy.ts";

/** What a test may put in the place of the real thing. */
export interface Substitutes {
  readonly now?: () => number;
  readonly log?: RequestLog;
}

export interface Worker {
  fetch(request: Request, bindings: Source, context: ExecutionContext): Promise<Response>;
}

/** Makes the Worker: one app per isolate, built by the first request, since there are no bindings before it. */
export function worker({ now = Date.now, log }: Substitutes = {}): Worker {
  let built: { app: App; arrive: ReturnType<typeof arrival> } | undefined;

  function build(bindings: Source) {
    // A Worker cannot keep a connection to Redis from one request to the next.
    const found = settings({ ...bindings, REDIS_URL: undefined });
    const saying = log ?? lineLog(found.logLevel, now, write);
    if ((bindings["REDIS_URL"] ?? "") !== "") saying.warn({}, "REDIS_URL is not used on Workers");
    // Nor is there time to compress: the free plan has 10 ms of CPU for a request.
    if (found.compressUploads) saying.warn({}, "COMPRESS_UPLOADS is not used on Workers");
    const app = keylane(found, {
      store: memoryStore(found.memoryMaxBytes),
      vault: vault(found, bindings["LISTS"], saying),
      fetch,
      // Nothing is coded here: the edge compresses on the way to the caller, and CPU time is what a Worker is short of.
      codecs: new Map(),
      console: found.hasConsole ? consoleFiles : new Map(),
      now,
      log: saying,
      observe: observer(bindings["FIGURES"]),
      // An isolate has few others to let in, and a timer would cost a request more than they gain.
      nextTurn: async () => {},
      isDraining: () => false,
    });
    return { app, arrive: arrival(found) };
  }

  // Where lists are kept outside the isolate: sealed, or not at all.
  function vault({ cacheSecret, listMaxBytes }: Settings, lists: unknown, log: Log): Vault | undefined {
    if (lists !== undefined && !isKvNamespace(lists)) {
      throw new SettingsError(["LISTS must be a KV namespace: bind one under [[kv_namespaces]]"]);
    }
    if (cacheSecret === undefined) {
      if (lists !== undefined)
        log.warn({}, "LISTS is not used without CACHE_SECRET: lists are kept in memory");
      return undefined;
    }
    const settings = { maxBytes: listMaxBytes, now, waitUntil };
    return lists === undefined ? cacheVault(settings) : kvVault(lists, settings);
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

function observer(dataset: unknown): Observe {
  if (dataset === undefined) return unobserved;
  if (isDataset(dataset)) return points(dataset);
  throw new SettingsError([
    "FIGURES must be an Analytics Engine dataset: bind one under [[analytics_engine_datasets]]",
  ]);
}

function write(line: string): void {
  // oxlint-disable-next-line no-console -- the console is a Worker's log
  console.log(line);
}
