import { randomBytes } from "node:crypto";
import type { CacheOutcome } from "./cache-headers.ts";
import { NOT_FOUND, PREFLIGHT, route, type Route } from "./canonical-path.ts";
import { corsFields, isPreflight, type CorsOrigins } from "./cors.ts";
import { looksLikeKey } from "./credential.ts";
import { ApiError, apiError } from "./errors.ts";
import type { Clock } from "./freshness.ts";
import type { HeaderGetter, RawHeaders } from "./headers.ts";

/** A request as the runtime received it: what a Request does not keep. */
export interface RawRequest {
  /** The request target as it was sent. */
  readonly target: string;
  /** The header lines as they were sent. */
  readonly rawHeaders: () => RawHeaders;
  readonly header: HeaderGetter;
  /** Sends this request upstream and its response back, body bytes untouched. */
  readonly forward: Forward;
}

/** A passthrough call, ready to be sent. */
export interface ProxyRequest {
  readonly method: string;
  /** Path and query to append to the passthrough's base URL. */
  readonly path: string;
  readonly rawHeaders: RawHeaders;
  /** Makes the client's header lines from upstream's. */
  readonly toClientHeaders: (status: number, rawHeaders: RawHeaders) => string[];
}

/**
 * Resolves to the response once its status is known or, where the runtime writes it to the client itself, once it is
 * written. Throws an ApiError as long as nothing has been written.
 */
export type Forward = (request: ProxyRequest) => Promise<Response>;

/** What is known of one request, made once; handlers read it as `c.env`. */
export interface RequestContext {
  readonly request: RawRequest;
  readonly route: Route;
  readonly requestId: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** CORS fields and the request id, which every response of Keylane's own carries. */
  readonly responseHeaders: ResponseHeaders;
  /** Filled in by handlers, for the access log. */
  readonly logFields: { caller?: string; outcome?: CacheOutcome };
}

/** Hono's type parameter for all handlers. */
export interface AppEnv {
  readonly Bindings: RequestContext;
}

export interface RequestContextSettings {
  readonly corsOrigins: CorsOrigins;
  readonly allowedHosts: readonly string[] | undefined;
  /** Without metrics, `/metrics` is an unknown path. */
  readonly hasMetrics: boolean;
  /** Generates a request id. */
  readonly newId: () => string;
  readonly now: Clock;
}

export function createRequestContext(
  method: string,
  request: RawRequest,
  settings: RequestContextSettings,
): RequestContext {
  const startedAt = settings.now();
  const requestId = resolveRequestId(request.header, settings.newId);
  const route = findRoute(method, request, settings);
  const cors = INTERNAL_ROUTES.has(route.kind) ? undefined : corsFields(settings.corsOrigins, request.header("origin"));
  const responseHeaders = { ...cors, "X-Request-Id": requestId };
  return { request, route, requestId, startedAt, responseHeaders, logFields: {} };
}

// Their responses are for people and supervisors, not for pages of another origin.
const INTERNAL_ROUTES = new Set<Route["kind"]>(["root", "console", "healthz", "readyz", "metrics"]);

function findRoute(
  method: string,
  { target, header }: RawRequest,
  { allowedHosts, hasMetrics }: RequestContextSettings,
): Route {
  try {
    checkHost(allowedHosts, header("host"));
    const known = route(method, target);
    const found = known.kind === "metrics" && !hasMetrics ? NOT_FOUND : known;
    return isPreflight(method, header) && !INTERNAL_ROUTES.has(found.kind) ? PREFLIGHT : found;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // A page may read why its request is refused only if it is allowed to send it.
    return isPreflight(method, header) ? PREFLIGHT : { ...NOT_FOUND, kind: "invalid", error };
  }
}

// A name that is allowed without a port is allowed with any port.
function checkHost(allowed: readonly string[] | undefined, host: string | null): void {
  if (allowed === undefined) return;
  const name = host?.toLowerCase() ?? "";
  if (allowed.includes(name) || allowed.includes(name.replace(/:\d+$/, ""))) return;
  const message = "Use a host name that this instance is set up for (ALLOWED_HOSTS).";
  throw apiError(421, "misdirected_request", message);
}

export type ResponseHeaders = Readonly<Record<string, string>>;
type ResponseBody = Uint8Array<ArrayBuffer> | string | null;

/** Makes every Response of Keylane's own. */
export function toResponse(status: number, headers: ResponseHeaders, body: ResponseBody = null): Response {
  return new Response(body, { status, headers });
}

/** A text of Keylane's own that no cache may keep. `headers` win over the ones set here. */
export function textResponse(status: number, type: string, text: string, headers: ResponseHeaders): Response {
  const body = new TextEncoder().encode(text);
  const own = { "Content-Type": type, "Content-Length": String(body.length), "Cache-Control": "no-store" };
  return toResponse(status, { ...own, ...headers }, body);
}

const DIGITS = 32;
const BATCH_SIZE = 128;

/**
 * Makes a generator of request ids: 32 random hex digits, as in W3C's trace ids. The digits of 128 ids are drawn at once:
 * one by one, as UUIDs, they take 4 % of a hit.
 */
export function requestIdGenerator(): () => string {
  let digits = "";
  let at = 0;
  return () => {
    if (at === digits.length) {
      digits = randomBytes((DIGITS / 2) * BATCH_SIZE).toString("hex");
      at = 0;
    }
    at += DIGITS;
    return digits.slice(at - DIGITS, at);
  };
}

/**
 * The client's request id where it is sane, else a new one. It goes into the log, so it must be short and plain, and
 * contain nothing of a credential.
 */
export function resolveRequestId(header: HeaderGetter, newId: () => string): string {
  const requested = header("x-request-id");
  if (requested === null || !/^[\w.:-]{1,128}$/.test(requested) || looksLikeKey(requested)) return newId();
  const credentials = ["authorization", "x-api-key"].flatMap((name) => header(name)?.split(/[\s,]+/) ?? []);
  const isQuote = credentials.some(
    (text) => text.includes(requested) || (text.length >= 8 && requested.includes(text)),
  );
  return isQuote ? newId() : requested;
}
