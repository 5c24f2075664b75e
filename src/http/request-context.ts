import { corsFields, isPreflight, type CorsOrigins } from "./cors.ts";
import { KeylaneError, problem } from "./errors.ts";
import type { Field, FieldLines } from "./headers.ts";
import { route, type Route } from "./canonical-path.ts";
import { requestIdOf } from "./request-id.ts";
import type { CacheOutcome } from "./cache-status.ts";

/** What the entry of a runtime knows of one request and a Request cannot say. */
export interface Arrival {
  /** The request target as it was sent. */
  readonly target: string;
  /** The header fields as they were sent. */
  readonly lines: () => FieldLines;
  readonly field: Field;
  /** Carries this request upstream and its answer back, body bytes untouched. */
  readonly carry: Carry;
}

/** A passthrough call, ready to go. */
export interface Call {
  readonly method: string;
  /** What follows the passthrough's base URL: path and query. */
  readonly path: string;
  readonly lines: FieldLines;
  /** Makes the fields that go down out of upstream's. */
  readonly downward: (status: number, lines: FieldLines) => string[];
}

/**
 * Resolves to the answer, once its status is known; where the runtime writes it to the caller itself, once that is done.
 * Throws a KeylaneError while nothing of an answer has gone down.
 */
export type Carry = (call: Call) => Promise<Response>;

/** An answer for which nothing more has to be done. */
export interface Answer {
  readonly status: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly bytes: Uint8Array<ArrayBuffer> | null;
}

/** One request on its way through the rooms. */
export interface Visit {
  readonly arrival: Arrival;
  readonly route: Route;
  readonly requestId: string;
  /** CORS fields and the request id: what every answer of ours carries. */
  readonly fields: Readonly<Record<string, string>>;
  /** Filled in on the way, for the log. */
  readonly seen: { caller?: string; outcome?: CacheOutcome };
}

/** Hono's type parameter for all our handlers. */
export interface VisitEnv {
  readonly Bindings: Visit;
}

export interface VisitSettings {
  readonly corsOrigins: CorsOrigins;
  readonly allowedHosts: readonly string[] | undefined;
  /** Without them `/metrics` is a path like any that is unknown. */
  readonly hasMetrics: boolean;
  /** Draws a request id. */
  readonly newId: () => string;
}

/** Takes a request in: gives it an id, finds its route, and the fields that every answer of ours to it carries. */
export function enter(method: string, arrival: Arrival, settings: VisitSettings): Visit {
  const requestId = requestIdOf(arrival.field, settings.newId);
  const found = routeOf(method, arrival, settings);
  const origin = arrival.field("origin");
  const cors = OWN_ROOMS.has(found.room) ? undefined : corsFields(settings.corsOrigins, origin);
  return { arrival, route: found, requestId, fields: { ...cors, "X-Request-Id": requestId }, seen: {} };
}

// Their answers are for people and supervisors, not for pages of another origin.
const OWN_ROOMS = new Set<Route["room"]>(["about", "console", "healthz", "readyz", "metrics"]);

function routeOf(
  method: string,
  { target, field }: Arrival,
  { allowedHosts, hasMetrics }: VisitSettings,
): Route {
  try {
    checkHost(allowedHosts, field("host"));
    const known = route(method, target);
    const found: Route = known.room === "metrics" && !hasMetrics ? { room: "nowhere" } : known;
    return isPreflight(method, field) && !OWN_ROOMS.has(found.room) ? { room: "preflight" } : found;
  } catch (error) {
    if (!(error instanceof KeylaneError)) throw error;
    // A page may read why its request is refused only if it is allowed to send it.
    return isPreflight(method, field) ? { room: "preflight" } : { room: "refused", error };
  }
}

// Where a name is allowed without a port, any port is.
function checkHost(allowed: readonly string[] | undefined, host: string | null): void {
  if (allowed === undefined) return;
  const name = host?.toLowerCase() ?? "";
  if (allowed.includes(name) || allowed.includes(name.replace(/:\d+$/, ""))) return;
  const message = "Use a host name that this instance is set up for (ALLOWED_HOSTS).";
  throw new KeylaneError(problem(421, "misdirected_request", message));
}
