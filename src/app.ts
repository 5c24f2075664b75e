import { hash, randomBytes } from "node:crypto";
import type { ExecutionContext } from "hono";
import { Hono } from "hono/tiny";
import { createListCache } from "./cache/list-cache.ts";
import type { Settings } from "./config/settings.ts";
import { createConsole, type ConsoleFiles } from "./routes/console.ts";
import { corsFields, preflight } from "./http/cors.ts";
import { createFingerprinter, type Fingerprint } from "./http/credential.ts";
import { serializeError, ApiError, methodNotAllowed, notFound, errorBody } from "./http/errors.ts";
import type { MetricsPage, MetricsRecorder, MetricsSnapshot } from "./observability/metrics.ts";
import { stackFrames, type RequestLog } from "./observability/log.ts";
import { createModelRoutes } from "./routes/models.ts";
import { createOperations } from "./routes/operations.ts";
import { createPassthrough } from "./routes/passthrough.ts";
import { COMMON_LIST_ROUTES, type Route } from "./http/canonical-path.ts";
import { requestIdGenerator } from "./http/request-id.ts";
import { createSharedCache, type SharedCache } from "./storage/shared-store.ts";
import type { Store, RemoteStore, Codecs } from "./storage/store.ts";
import { mapMaybePromise, type MaybePromise } from "./async/maybe-promise.ts";
import { throttledLog } from "./observability/throttled-log.ts";
import { createListClient, type Fetch } from "./upstream/list-client.ts";
import {
  createRequestContext,
  type ResponseData,
  type RawRequest,
  type RequestContext,
  type AppEnv,
} from "./http/request-context.ts";
import { cacheLabel } from "./http/cache-status.ts";

/** All that differs between runtimes. */
export interface Platform {
  readonly store: Store;
  /** Outside the process, where lists are shared with neighbours; used only with a CACHE_SECRET. */
  readonly remoteStore?: RemoteStore | undefined;
  readonly fetch: Fetch;
  readonly codecs: Codecs;
  /** Empty where CONSOLE is off. */
  readonly console: ConsoleFiles;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: RequestLog;
  readonly metrics_: MetricsRecorder;
  /** Lets others have their turn between two long steps of a work. */
  readonly yieldToEventLoop: () => Promise<void>;
  /** Writes the page that `/metrics` gives, where there is one. */
  readonly metricsPage?: ((standing: MetricsSnapshot) => Promise<MetricsPage>) | undefined;
  readonly isDraining: () => boolean;
}

export interface App {
  /** Answers at once where nothing has to be waited for. */
  fetch(request: Request, arrival: RawRequest, context: ExecutionContext): MaybePromise<Response>;
  /** Answers a GET for a usual list that is held fresh; undefined for all else, faults among it: that is for `fetch`. */
  fresh(arrival: RawRequest): ResponseData | undefined;
  /** The answer to a request that never became one. */
  errorResponse(error: unknown): Response;
}

/** Builds the program. */
export function createApp(settings: Settings, platform: Platform): App {
  const { now, log, metrics_, metricsPage } = platform;
  const startSecret = randomBytes(32).toString("hex");
  const fingerprint = createFingerprinter(settings.cacheSecret ?? startSecret, settings.upstreamUrl);
  // For the log: eight digits that say nothing after the next start. A fingerprint is such a name already where its
  // secret was drawn at this one.
  const callerName = (print: Fingerprint) =>
    (settings.cacheSecret === undefined ? print : hash("sha256", startSecret + print)).slice(0, 8);
  const unforeseen = throttledLog(now, (fields) => log.error(fields, "unforeseen error"));
  const lists = createListCache(platform.store, settings, now, log, metrics_);
  const sharing = neighbours();
  const list = createModelRoutes({
    settings,
    cache: lists,
    shared: sharing,
    upstream: createListClient(settings, platform.fetch, now, metrics_, platform.yieldToEventLoop),
    codecs: platform.codecs,
    fingerprint,
    callerName,
    now,
    log,
  });
  const nameOf = (credential: string) => callerName(fingerprint(credential));
  const pass = createPassthrough(settings.maxBodyBytes, now, nameOf, metrics_);
  const own = createOperations(platform.isDraining, () => {
    if (metricsPage === undefined) throw notFound();
    return metricsPage({ store: platform.store.size(), shared: sharing?.metrics() });
  });
  const visitSettings = { ...settings, hasMetrics: metricsPage !== undefined, newId: requestIdGenerator() };
  const page = createConsole(platform.console, own.about);

  // The paths that tools type are many; paths.ts makes them one name each. HEAD goes where GET goes.
  const hono = new Hono<AppEnv>({
    getPath: (_request, options) => `/${options?.env?.route.room ?? "nowhere"}`,
  });
  hono.get("/models", list.list);
  hono.on(["DELETE", "PURGE"], "/models", list.purge);
  hono.get("/model", list.list);
  hono.delete("/model", pass);
  hono.all("/passthrough", pass);
  hono.get("/hello", own.hello);
  hono.get("/about", page.front);
  hono.get("/console", page.file);
  hono.get("/healthz", own.healthz);
  hono.get("/readyz", own.readyz);
  hono.get("/metrics", own.metrics);
  hono.all("/preflight", (c) => preflight(c.env.request.header, c.env.headers));
  hono.notFound((c) => {
    const { route, headers } = c.env;
    const allowed = ALLOWED[route.room];
    if (route.room === "refused") return errorAnswer(route.error, headers);
    if (allowed === undefined) return errorAnswer(notFound(), headers);
    if (c.req.raw.method !== "OPTIONS") return errorAnswer(methodNotAllowed(allowed), headers);
    return new Response(null, { status: 204, headers: { ...headers, Allow: allowed } });
  });
  hono.onError((error, c) => errorAnswer(error, c.env.headers));

  function errorAnswer(error: unknown, fields: Fields): Response {
    if (error instanceof ApiError) return answerOf(error, fields);
    note(error);
    const message = "Keylane had an error of its own: try again, and look into its log.";
    return answerOf(new ApiError(errorBody(500, "internal_error", message)), fields);
  }

  function note(error: unknown): void {
    const at = stackFrames(error);
    unforeseen.failure(at, { at });
  }

  function told(
    method: string,
    { route, requestId, logFields }: RequestContext,
    status: number,
    startedAt: number,
  ): void {
    const time = now();
    const ms = time - startedAt;
    const { outcome, caller } = logFields;
    const cache = outcome === undefined ? undefined : cacheLabel(outcome);
    metrics_.recordRequest(route.room, status, cache, ms);
    log.request({ time, id: requestId, method, route: route.room, status, ms, cache, caller });
  }

  function neighbours(): SharedCache | undefined {
    const { remoteStore, codecs } = platform;
    if (remoteStore === undefined || settings.cacheSecret === undefined) return undefined;
    remoteStore.subscribe({
      fingerprints: () => platform.store.fingerprints(),
      forget: (fingerprint) => lists.invalidate(fingerprint),
    });
    return createSharedCache(remoteStore, { ...settings, secret: settings.cacheSecret }, codecs, now, log);
  }

  return {
    fetch(request, arrival, context) {
      const startedAt = now();
      const visit = createRequestContext(request.method, arrival, visitSettings);
      return mapMaybePromise(hono.fetch(request, visit, context), (response) => {
        told(request.method, visit, response.status, startedAt);
        return response;
      });
    },
    fresh(arrival) {
      if (!COMMON_LIST_ROUTES.has(arrival.target)) return undefined;
      const startedAt = now();
      const visit = createRequestContext("GET", arrival, visitSettings);
      if (visit.route.room !== "models") return undefined;
      try {
        const answer = list.fresh(visit, startedAt);
        if (answer !== undefined) told("GET", visit, answer.status, startedAt);
        return answer;
      } catch (error) {
        // What is wrong with the request is found again where it can be answered.
        if (!(error instanceof ApiError)) note(error);
        return undefined;
      }
    },
    errorResponse: (error) => errorAnswer(error, corsFields(settings.corsOrigins, null)),
  };
}

type Fields = Readonly<Record<string, string>>;

const ALLOWED: Partial<Record<Route["room"], string>> = {
  models: "GET, HEAD, DELETE, PURGE, OPTIONS",
  model: "GET, HEAD, DELETE, OPTIONS",
  about: "GET, HEAD, OPTIONS",
  console: "GET, HEAD, OPTIONS",
  healthz: "GET, HEAD, OPTIONS",
  readyz: "GET, HEAD, OPTIONS",
  metrics: "GET, HEAD, OPTIONS",
};

function answerOf({ body, headers }: ApiError, fields: Fields): Response {
  const bytes = new TextEncoder().encode(serializeError(body));
  const own = {
    "Content-Type": "application/json",
    "Content-Length": String(bytes.length),
    "Cache-Control": "no-store",
  };
  return new Response(bytes, { status: body.status, headers: { ...fields, ...own, ...headers } });
}
