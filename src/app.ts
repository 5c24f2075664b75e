import { hash, randomBytes } from "node:crypto";
import type { ExecutionContext } from "hono";
import { HonoBase } from "hono/hono-base";
import { RegExpRouter } from "hono/router/reg-exp-router";
import { cache } from "./cache.ts";
import type { Settings } from "./config.ts";
import { consolePage, type ConsoleFiles } from "./console.ts";
import { corsFields, preflight } from "./cors.ts";
import { fingerprinter, type Fingerprint } from "./credential.ts";
import { envelope, KeylaneError, methodNotAllowed, notFound, problem } from "./errors.ts";
import type { FiguresPage, Observe, Standing } from "./figures.ts";
import { cacheWord } from "./headers.ts";
import { framesOf, type RequestLog } from "./log.ts";
import { models } from "./models.ts";
import { operations } from "./operations.ts";
import { passthrough } from "./passthrough.ts";
import type { Route } from "./paths.ts";
import type { Codecs } from "./representation.ts";
import { requestIds } from "./request-id.ts";
import { shared, type Shared } from "./shared.ts";
import type { Store, Vault } from "./store.ts";
import { after, type Soon } from "./soon.ts";
import { trouble } from "./trouble.ts";
import { upstream, type Fetch } from "./upstream.ts";
import { enter, type Arrival, type Visit, type VisitEnv } from "./visit.ts";

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
  const hono = new HonoBase<VisitEnv>({
    // It looks a path without parameters up, where others try each pattern.
    router: new RegExpRouter(),
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
    const at = framesOf(error);
    unforeseen.failed(at, { at });
    const message = "Keylane had an error of its own: try again, and look into its log.";
    return answerOf(new KeylaneError(problem(500, "internal_error", message)), fields);
  }

  function told(method: string, { route, requestId, seen }: Visit, status: number, ms: number): void {
    const { outcome, caller } = seen;
    const cache = outcome === undefined ? undefined : cacheWord(outcome);
    observe.answered(route.room, status, cache, ms);
    log.request({ id: requestId, method, route: route.room, status, ms, cache, caller });
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
      const visit = enter(request, arrival, visitSettings);
      return after(hono.fetch(request, visit, context), (response) => {
        told(request.method, visit, response.status, now() - startedAt);
        return response;
      });
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
