import { hash, randomBytes, randomUUID } from "node:crypto";
import { Hono, type ExecutionContext } from "hono";
import { cache } from "./cache.ts";
import type { Settings } from "./config.ts";
import { corsFields, isPreflight, preflight } from "./cors.ts";
import { fingerprinter, type Fingerprint } from "./credential.ts";
import { envelope, KeylaneError, methodNotAllowed, notFound, problem } from "./errors.ts";
import { cacheWord } from "./headers.ts";
import type { Log } from "./log.ts";
import { models } from "./models.ts";
import { operations } from "./operations.ts";
import { passthrough } from "./passthrough.ts";
import { route, type Route } from "./paths.ts";
import type { Codecs } from "./representation.ts";
import type { Store } from "./store.ts";
import { upstream, type Fetch } from "./upstream.ts";
import type { Arrival, Visit, VisitEnv } from "./visit.ts";

/** All that differs between runtimes. */
export interface Platform {
  readonly store: Store;
  readonly fetch: Fetch;
  readonly codecs: Codecs;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Log;
  readonly isDraining: () => boolean;
}

export interface App {
  fetch(request: Request, arrival: Arrival, context: ExecutionContext): Promise<Response>;
  /** The answer to a request that never became one. */
  refuse(error: unknown): Response;
}

/** Builds the program. */
export function keylane(settings: Settings, platform: Platform): App {
  const { now, log } = platform;
  const startSecret = randomBytes(32).toString("hex");
  const fingerprint = fingerprinter(settings.cacheSecret ?? startSecret, settings.upstreamUrl);
  // For the log: eight digits that say nothing after the next start. A fingerprint is such a name already where its
  // secret was drawn at this one.
  const callerName = (print: Fingerprint) =>
    (settings.cacheSecret === undefined ? print : hash("sha256", startSecret + print)).slice(0, 8);
  const list = models({
    settings,
    cache: cache(platform.store, settings, now, log),
    upstream: upstream(settings, platform.fetch, now),
    codecs: platform.codecs,
    fingerprint,
    callerName,
    now,
    log,
  });
  const pass = passthrough(settings.maxBodyBytes, now, (credential) => callerName(fingerprint(credential)));
  const own = operations(platform.isDraining);

  // The paths that tools type are many; paths.ts makes them one name each. HEAD goes where GET goes.
  const hono = new Hono<VisitEnv>({
    getPath: (_request, options) => `/${options?.env?.route.room ?? "nowhere"}`,
  });
  hono.get("/models", list.list);
  hono.on(["DELETE", "PURGE"], "/models", list.purge);
  hono.get("/model", list.list);
  hono.delete("/model", pass);
  hono.all("/passthrough", pass);
  hono.get("/hello", own.hello);
  hono.get("/about", own.about);
  hono.get("/healthz", own.healthz);
  hono.get("/readyz", own.readyz);
  hono.notFound((c) => {
    const allowed = ALLOWED[c.env.route.room];
    return errorAnswer(allowed === undefined ? notFound() : methodNotAllowed(allowed), c.env.fields);
  });
  hono.all("/preflight", (c) => preflight(c.req.raw, c.env.fields));
  hono.onError((error, c) => errorAnswer(error, c.env.fields));

  function errorAnswer(error: unknown, fields: Fields): Response {
    if (error instanceof KeylaneError) return answerOf(error, fields);
    // Where it happened, never its message: that may quote what was sent.
    log.error({ at: framesOf(error) }, "unforeseen error");
    const message = "Keylane had an error of its own: try again, and look into its log.";
    return answerOf(new KeylaneError(problem(500, "internal_error", message)), fields);
  }

  return {
    async fetch(request, arrival, context) {
      const startedAt = now();
      const requestId = requestIdOf(request.headers);
      const fields = {
        ...corsFields(settings.corsOrigins, request.headers.get("origin")),
        "X-Request-Id": requestId,
      };
      const seen: Visit["seen"] = {};
      let found: Route | undefined;
      let response: Response;
      try {
        checkHost(settings.allowedHosts, request.headers.get("host"));
        if (isPreflight(request)) found = PREFLIGHT;
        else found = route(request.method, arrival.target);
        const isOwn = OWN_ROOMS.has(found.room);
        const visit = {
          arrival,
          route: found,
          requestId,
          fields: isOwn ? { "X-Request-Id": requestId } : fields,
          seen,
        };
        response = await hono.fetch(request, visit, context);
      } catch (error) {
        response = errorAnswer(error, fields);
      }
      const { outcome, caller } = seen;
      const cacheOutcome = outcome === undefined ? undefined : cacheWord(outcome);
      const { status } = response;
      const ms = now() - startedAt;
      const about = { id: requestId, method: request.method, route: found?.room ?? "refused", status, ms };
      log.info({ ...about, cache: cacheOutcome, caller }, "request");
      return response;
    },
    refuse: (error) => errorAnswer(error, corsFields(settings.corsOrigins, null)),
  };
}

type Fields = Readonly<Record<string, string>>;

const PREFLIGHT: Route = { room: "preflight" };
// Their answers are for people and supervisors, not for pages of another origin.
const OWN_ROOMS = new Set<Route["room"]>(["about", "healthz", "readyz"]);
const ALLOWED: Partial<Record<Route["room"], string>> = {
  models: "GET, HEAD, DELETE, PURGE, OPTIONS",
  model: "GET, HEAD, DELETE, OPTIONS",
  about: "GET, HEAD",
  healthz: "GET, HEAD",
  readyz: "GET, HEAD",
};

function answerOf({ problem, headers }: KeylaneError, fields: Fields): Response {
  const body = new TextEncoder().encode(envelope(problem));
  const own = {
    "Content-Type": "application/json",
    "Content-Length": String(body.length),
    "Cache-Control": "no-store",
  };
  return new Response(body, { status: problem.status, headers: { ...fields, ...own, ...headers } });
}

// A request id goes into the log: it must be short, plain, and no part of a credential.
function requestIdOf(headers: Headers): string {
  const given = headers.get("x-request-id");
  const isSane =
    given !== null &&
    /^[\w.:-]{1,128}$/.test(given) &&
    !/^sk-/i.test(given) &&
    headers.get("authorization")?.includes(given) !== true &&
    headers.get("x-api-key")?.includes(given) !== true;
  return isSane ? given : randomUUID();
}

// Where a name is allowed without a port, any port is.
function checkHost(allowed: readonly string[] | undefined, host: string | null): void {
  if (allowed === undefined) return;
  const name = host?.toLowerCase() ?? "";
  if (allowed.includes(name) || allowed.includes(name.replace(/:\d+$/, ""))) return;
  const message = "Use a host name that this instance is set up for (ALLOWED_HOSTS).";
  throw new KeylaneError(problem(421, "misdirected_request", message));
}

function framesOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  return stack
    .split("\n")
    .filter((line) => line.startsWith("    at "))
    .slice(0, 8)
    .map((line) => line.trim())
    .join(" < ");
}
