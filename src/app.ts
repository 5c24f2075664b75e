import { hash, randomBytes } from "node:crypto";
import type { ExecutionContext } from "hono";
import { Hono } from "hono/tiny";
import { mapMaybePromise, type MaybePromise } from "./async/maybe-promise.ts";
import { createListCache } from "./cache/list-cache.ts";
import type { Settings } from "./config/settings.ts";
import { cacheLabel } from "./http/cache-headers.ts";
import { NOT_FOUND, type Route } from "./http/canonical-path.ts";
import { corsFields } from "./http/cors.ts";
import { createFingerprinter, type Fingerprint } from "./http/credential.ts";
import { ApiError, apiError, methodNotAllowed, notFound, serializeError } from "./http/errors.ts";
import type { Clock } from "./http/freshness.ts";
import {
  createRequestContext,
  type AppEnv,
  type RawRequest,
  type RequestContext,
  type ResponseHeaders,
  textResponse,
  toResponse,
  requestIdGenerator,
} from "./http/request-context.ts";
import { stackFrames, type RequestLog } from "./observability/log.ts";
import type { MetricsPage, MetricsRecorder, MetricsSnapshot } from "./observability/metrics.ts";
import { throttledLog } from "./observability/throttled-log.ts";
import { createConsole, type ConsoleFiles } from "./routes/console.ts";
import { createModelRoutes } from "./routes/models.ts";
import { createOperations } from "./routes/operations.ts";
import { createPassthrough } from "./routes/passthrough.ts";
import { createSharedCache, type SharedCache } from "./storage/shared-store.ts";
import type { Codecs, RemoteStore, Store } from "./storage/store.ts";
import { createListClient, type Fetch } from "./upstream/list-client.ts";

/** Everything that differs between runtimes. */
export interface Platform {
  readonly store: Store;
  /** A store outside the process, shared with peers; used only with a CACHE_SECRET. */
  readonly remoteStore?: RemoteStore | undefined;
  readonly fetch: Fetch;
  readonly codecs: Codecs;
  /** Empty where CONSOLE is off. */
  readonly console: ConsoleFiles;
  readonly now: Clock;
  readonly log: RequestLog;
  readonly metrics: MetricsRecorder;
  /** Lets other work run between two long steps. */
  readonly yieldToEventLoop: () => Promise<void>;
  /** Renders the page of `/metrics`, where there is one. */
  readonly metricsPage?: ((snapshot: MetricsSnapshot) => Promise<MetricsPage>) | undefined;
  readonly isDraining: () => boolean;
}

export interface App {
  /** Responds synchronously where nothing has to be waited for, as on a cache hit. */
  fetch(request: Request, raw: RawRequest, context: ExecutionContext): MaybePromise<Response>;
  /** The response to bytes that never became a Request. */
  errorResponse(error: unknown): Response;
}

/** Builds the program: every route, and what its handlers need. */
export function createApp(settings: Settings, platform: Platform): App {
  const { store, codecs, now, log, metrics, metricsPage } = platform;
  const identity = createIdentity(settings);
  const listCache = createListCache(store, settings, now, log, metrics);
  const sharedCache = connectSharedCache();
  const models = createModelRoutes({
    settings,
    cache: listCache,
    sharedCache,
    listClient: createListClient(settings, platform.fetch, now, metrics, platform.yieldToEventLoop),
    codecs,
    ...identity,
    now,
    log,
  });
  const clientName = (credential: string) => identity.clientName(identity.fingerprint(credential));
  const passthrough = createPassthrough(settings.maxBodyBytes, now, clientName, metrics);
  const operations = createOperations(platform.isDraining, () => {
    if (metricsPage === undefined) throw notFound();
    return metricsPage({ store: store.size(), shared: sharedCache?.metrics() });
  });
  const page = createConsole(platform.console, operations.about);

  // Users type many base URLs: canonical-path.ts makes one path of each, `/passthrough` for every other call of the APIs, and
  // `/preflight` for every CORS preflight. HEAD is dispatched as GET. No Hono middleware is used: any composed one makes a hit
  // asynchronous, cors and request-id together doubled its cost, etag digests every response, body-limit buffers bodies.
  const app = new Hono<AppEnv>({
    getPath: (_request, options) => options?.env?.route.canonicalPath ?? NOT_FOUND.canonicalPath,
  });
  app.get("/v1/models", models.list);
  app.on(["DELETE", "PURGE"], "/v1/models", models.purge);
  app.get("/v1/models/:id{.+}", models.one);
  app.delete("/v1/models/:id{.+}", passthrough);
  app.all("/passthrough", passthrough);
  app.get("/api/hello", operations.hello);
  app.get("/", page.front);
  app.get("/console/:file", page.file);
  app.get("/healthz", operations.healthz);
  app.get("/readyz", operations.readyz);
  app.get("/metrics", operations.metrics);
  app.options("/preflight", operations.preflight);
  app.notFound(({ env: { route, responseHeaders }, req }) => {
    const allowed = ALLOWED_METHODS[route.kind];
    if (route.kind === "invalid") return toErrorResponse(route.error, responseHeaders);
    if (allowed === undefined) return toErrorResponse(notFound(), responseHeaders);
    if (req.method !== "OPTIONS") return toErrorResponse(methodNotAllowed(allowed), responseHeaders);
    return toResponse(204, { ...responseHeaders, Allow: allowed });
  });
  app.onError((error, c) => toErrorResponse(error, c.env.responseHeaders));

  const unexpected = throttledLog(now, (fields) => log.error(fields, "unexpected error"));

  function toErrorResponse(error: unknown, responseHeaders: ResponseHeaders): Response {
    if (error instanceof ApiError) {
      const headers = { ...responseHeaders, ...error.headers };
      return textResponse(error.status, "application/json", serializeError(error.body), headers);
    }
    const at = stackFrames(error);
    unexpected.failure(at, { at });
    const message = "Keylane hit an unexpected error: try again, and look into its log.";
    return toErrorResponse(apiError(500, "internal_error", message), responseHeaders);
  }

  function logRequest(method: string, context: RequestContext, status: number): void {
    const { route, requestId, startedAt, logFields } = context;
    const time = now();
    const ms = time - startedAt;
    const { outcome, caller } = logFields;
    const cache = outcome === undefined ? undefined : cacheLabel(outcome);
    metrics.recordRequest(route.kind, status, cache, ms);
    log.request({ time, id: requestId, method, route: route.kind, status, ms, cache, caller });
  }

  function connectSharedCache(): SharedCache | undefined {
    const { remoteStore } = platform;
    if (remoteStore === undefined || settings.cacheSecret === undefined) return undefined;
    const local = {
      fingerprints: () => store.fingerprints(),
      invalidate: (fingerprint: Fingerprint) => listCache.invalidate(fingerprint),
    };
    return createSharedCache(remoteStore, { ...settings, secret: settings.cacheSecret }, { codecs, now, log, local });
  }

  const contextSettings = {
    ...settings,
    hasMetrics: metricsPage !== undefined,
    newId: requestIdGenerator(),
    now,
  };
  return {
    fetch(request, raw, executionContext) {
      const context = createRequestContext(request.method, raw, contextSettings);
      return mapMaybePromise(app.fetch(request, context, executionContext), (response) => {
        logRequest(request.method, context, response.status);
        return response;
      });
    },
    errorResponse: (error) => toErrorResponse(error, corsFields(settings.corsOrigins, null)),
  };
}

const ALLOWED_METHODS: Partial<Record<Route["kind"], string>> = {
  models: "GET, HEAD, DELETE, PURGE, OPTIONS",
  model: "GET, HEAD, DELETE, OPTIONS",
  root: "GET, HEAD, OPTIONS",
  console: "GET, HEAD, OPTIONS",
  healthz: "GET, HEAD, OPTIONS",
  readyz: "GET, HEAD, OPTIONS",
  metrics: "GET, HEAD, OPTIONS",
};

/** Names for a key: the fingerprint for stores, and eight digits for the log that mean nothing after the next start. */
function createIdentity({ cacheSecret, upstreamUrl }: Settings) {
  const startSecret = randomBytes(32).toString("hex");
  return {
    fingerprint: createFingerprinter(cacheSecret ?? startSecret, upstreamUrl),
    // A fingerprint under a secret of this start needs no second digest.
    clientName: (fingerprint: Fingerprint) =>
      (cacheSecret === undefined ? fingerprint : hash("sha256", startSecret + fingerprint)).slice(0, 8),
  };
}
