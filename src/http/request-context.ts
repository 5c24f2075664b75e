import { corsFields, isPreflight, type CorsOrigins } from "./cors.ts";
import { ApiError, errorBody } from "./errors.ts";
import type { HeaderGetter, RawHeaders } from "./headers.ts";
import { route, type Route } from "./canonical-path.ts";
import { resolveRequestId } from "./request-id.ts";
import type { CacheOutcome } from "./cache-status.ts";

/** What the entry of a runtime knows of one request and a Request cannot say. */
export interface RawRequest {
  /** The request target as it was sent. */
  readonly target: string;
  /** The header fields as they were sent. */
  readonly rawHeaders: () => RawHeaders;
  readonly header: HeaderGetter;
  /** Carries this request upstream and its answer back, body bytes untouched. */
  readonly forward: Forward;
}

/** A passthrough call, ready to go. */
export interface ProxyRequest {
  readonly method: string;
  /** What follows the passthrough's base URL: path and query. */
  readonly path: string;
  readonly rawHeaders: RawHeaders;
  /** Makes the fields that go down out of upstream's. */
  readonly toClientHeaders: (status: number, lines: RawHeaders) => string[];
}

/**
 * Resolves to the answer, once its status is known; where the runtime writes it to the caller itself, once that is done.
 * Throws a KeylaneError while nothing of an answer has gone down.
 */
export type Forward = (call: ProxyRequest) => Promise<Response>;

/** An answer for which nothing more has to be done. */
export interface ResponseData {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer> | null;
}

/** One request on its way through the rooms. */
export interface RequestContext {
  readonly request: RawRequest;
  readonly route: Route;
  readonly requestId: string;
  /** CORS fields and the request id: what every answer of ours carries. */
  readonly headers: Readonly<Record<string, string>>;
  /** Filled in on the way, for the log. */
  readonly logFields: { caller?: string; outcome?: CacheOutcome };
}

/** Hono's type parameter for all our handlers. */
export interface AppEnv {
  readonly Bindings: RequestContext;
}

export interface RequestContextSettings {
  readonly corsOrigins: CorsOrigins;
  readonly allowedHosts: readonly string[] | undefined;
  /** Without them `/metrics` is a path like any that is unknown. */
  readonly hasMetrics: boolean;
  /** Draws a request id. */
  readonly newId: () => string;
}

/** Takes a request in: gives it an id, finds its route, and the fields that every answer of ours to it carries. */
export function createRequestContext(
  method: string,
  arrival: RawRequest,
  settings: RequestContextSettings,
): RequestContext {
  const requestId = resolveRequestId(arrival.header, settings.newId);
  const found = routeOf(method, arrival, settings);
  const origin = arrival.header("origin");
  const cors = INTERNAL_ROUTES.has(found.room) ? undefined : corsFields(settings.corsOrigins, origin);
  return {
    request: arrival,
    route: found,
    requestId,
    headers: { ...cors, "X-Request-Id": requestId },
    logFields: {},
  };
}

// Their answers are for people and supervisors, not for pages of another origin.
const INTERNAL_ROUTES = new Set<Route["room"]>(["about", "console", "healthz", "readyz", "metrics"]);

function routeOf(
  method: string,
  { target, header }: RawRequest,
  { allowedHosts, hasMetrics }: RequestContextSettings,
): Route {
  try {
    checkHost(allowedHosts, header("host"));
    const known = route(method, target);
    const found: Route = known.room === "metrics" && !hasMetrics ? { room: "nowhere" } : known;
    return isPreflight(method, header) && !INTERNAL_ROUTES.has(found.room) ? { room: "preflight" } : found;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // A page may read why its request is refused only if it is allowed to send it.
    return isPreflight(method, header) ? { room: "preflight" } : { room: "refused", error };
  }
}

// Where a name is allowed without a port, any port is.
function checkHost(allowed: readonly string[] | undefined, host: string | null): void {
  if (allowed === undefined) return;
  const name = host?.toLowerCase() ?? "";
  if (allowed.includes(name) || allowed.includes(name.replace(/:\d+$/, ""))) return;
  const message = "Use a host name that this instance is set up for (ALLOWED_HOSTS).";
  throw new ApiError(errorBody(421, "misdirected_request", message));
}
