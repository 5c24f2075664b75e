import { hash, randomBytes } from "node:crypto";
import type { ExecutionContext } from "hono";
import { Hono } from "hono/tiny";
import { cache } from "./cache/list-cache.ts";
import type { Settings } from "./config/settings.ts";
import { consolePage, type ConsoleFiles } from "./routes/console.ts";
import { corsFields, preflight } from "./http/cors.ts";
import { fingerprinter, type Fingerprint } from "./http/credential.ts";
import { envelope, KeylaneError, methodNotAllowed, notFound, problem } from "./http/errors.ts";
import type { FiguresPage, Observe, Standing } from "./observability/metrics.ts";
import { framesOf, type RequestLog } from "./observability/log.ts";
import { models } from "./routes/models.ts";
import { operations } from "./routes/operations.ts";
import { passthrough } from "./routes/passthrough.ts";
import { USUAL_LISTS, type Route } from "./http/canonical-path.ts";
import { requestIds } from "./http/request-id.ts";
import { shared, type Shared } from "./storage/shared-store.ts";
import type { Store, Vault, Codecs } from "./storage/store.ts";
import { after, type Soon } from "./async/maybe-promise.ts";
import { trouble } from "./observability/throttled-log.ts";
import { upstream, type Fetch } from "./upstream/list-client.ts";
import { enter, type Answer, type Arrival, type Visit, type VisitEnv } from "./http/request-context.ts";
import { cacheWord } from "./http/cache-status.ts";

/** All that differs between runtimes. */
export interface Platform {
  readonly store: Store;
  /** Outside the process, where lists are shared with neighbours; used only with a CACHE_SECRET. */
  readonly vault?: Vault | undefined;
  readonly fetch: Fetch;
  readonly codecs: Codecs;
  /** Empty where CONSOLE is off. */
  readonly console: ConsoleFiles;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: RequestLog;
  readonly observe: Observe;
  /** Lets others have their turn between two long steps of a work. */
  readonly nextTurn: () => Promise<void>;
  /** Writes the page that `/metrics` gives, where there is one. */
  readonly metrics?: ((standing: Standing) => Promise<FiguresPage>) | undefined;
  readonly isDraining: () => boolean;
}

export interface App {
  /** Answers at once where nothing has to be waited for. */
  fetch(request: Request, arrival: Arrival, context: ExecutionContext): Soon<Response>;
  /** Answers a GET for a usual list that is held fresh; undefined for all else, faults among it: that is for `fetch`. */
  fresh(arrival: Arrival): Answer | undefined;
  /** The answer to a request that never became one. */
  refuse(error: unknown): Response;
}

/** Builds the program. */
export function keylane(settings: Settings, platform: Platform): App {
  const { now, log, observe, metrics } = platform;
  const startSecret = randomBytes(32).toString("hex");
  const fingerprint = fingerprinter(settings.cacheSecret ?? startSecret, settings.upstreamUrl);
  // For the log: eight digits that say nothing after the next start. A fingerprint is such a name already where its
  // secret was drawn at this one.
  const callerName = (print: Fingerprint) =>
    (settings.cacheSecret === undefined ? print : hash("sha256", startSecret + print)).slice(0, 8);
  const unforeseen = trouble(now, (fields) => log.error(fields, "unforeseen error"));
  const lists = cache(platform.store, settings, now, log, observe);
  const sharing = neighbours();
  const list = models({
    settings,
    cache: lists,
    shared: sharing,
    upstream: upstream(settings, platform.fetch, now, observe, platform.nextTurn),
    codecs: platform.codecs,
    fingerprint,
    callerName,
    now,
    log,
  });
  const nameOf = (credential: string) => callerName(fingerprint(credential));
  const pass = passthrough(settings.maxBodyBytes, now, nameOf, observe);
  const own = operations(platform.isDraining, () => {
    if (metrics === undefined) throw notFound();
    return metrics({ store: platform.store.size(), shared: sharing?.figures() });
  });
  const visitSettings = { ...settings, hasMetrics: metrics !== undefined, newId: requestIds() };
  const page = consolePage(platform.console, own.about);

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
  hono.get("/about", page.front);
  hono.get("/console", page.file);
  hono.get("/healthz", own.healthz);
  hono.get("/readyz", own.readyz);
  hono.get("/metrics", own.metrics);
  hono.all("/preflight", (c) => preflight(c.env.arrival.field, c.env.fields));
  hono.notFound((c) => {
    const { route, fields } = c.env;
    const allowed = ALLOWED[route.room];
    if (route.room === "refused") return errorAnswer(route.error, fields);
    if (allowed === undefined) return errorAnswer(notFound(), fields);
    if (c.req.raw.method !== "OPTIONS") return errorAnswer(methodNotAllowed(allowed), fields);
    return new Response(null, { status: 204, headers: { ...fields, Allow: allowed } });
  });
  hono.onError((error, c) => errorAnswer(error, c.env.fields));

  function errorAnswer(error: unknown, fields: Fields): Response {
    if (error instanceof KeylaneError) return answerOf(error, fields);
    note(error);
    const message = "Keylane had an error of its own: try again, and look into its log.";
    return answerOf(new KeylaneError(problem(500, "internal_error", message)), fields);
  }

  function note(error: unknown): void {
    const at = framesOf(error);
    unforeseen.failed(at, { at });
  }

  function told(method: string, { route, requestId, seen }: Visit, status: number, startedAt: number): void {
    const time = now();
    const ms = time - startedAt;
    const { outcome, caller } = seen;
    const cache = outcome === undefined ? undefined : cacheWord(outcome);
    observe.answered(route.room, status, cache, ms);
    log.request({ time, id: requestId, method, route: route.room, status, ms, cache, caller });
  }

  function neighbours(): Shared | undefined {
    const { vault, codecs } = platform;
    if (vault === undefined || settings.cacheSecret === undefined) return undefined;
    vault.onPurge({
      held: () => platform.store.fingerprints(),
      forget: (fingerprint) => lists.forget(fingerprint),
    });
    return shared(vault, { ...settings, secret: settings.cacheSecret }, codecs, now, log);
  }

  return {
    fetch(request, arrival, context) {
      const startedAt = now();
      const visit = enter(request.method, arrival, visitSettings);
      return after(hono.fetch(request, visit, context), (response) => {
        told(request.method, visit, response.status, startedAt);
        return response;
      });
    },
    fresh(arrival) {
      if (!USUAL_LISTS.has(arrival.target)) return undefined;
      const startedAt = now();
      const visit = enter("GET", arrival, visitSettings);
      if (visit.route.room !== "models") return undefined;
      try {
        const answer = list.fresh(visit, startedAt);
        if (answer !== undefined) told("GET", visit, answer.status, startedAt);
        return answer;
      } catch (error) {
        // What is wrong with the request is found again where it can be answered.
        if (!(error instanceof KeylaneError)) note(error);
        return undefined;
      }
    },
    refuse: (error) => errorAnswer(error, corsFields(settings.corsOrigins, null)),
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

function answerOf({ problem, headers }: KeylaneError, fields: Fields): Response {
  const body = new TextEncoder().encode(envelope(problem));
  const own = {
    "Content-Type": "application/json",
    "Content-Length": String(body.length),
    "Cache-Control": "no-store",
  };
  return new Response(body, { status: problem.status, headers: { ...fields, ...own, ...headers } });
}
