import type { Context, Handler } from "hono";
import { notCached, type Cache, type Found } from "../cache/list-cache.ts";
import type { Settings } from "../config/settings.ts";
import { identify, type Fingerprint } from "../http/credential.ts";
import { KeylaneError, problem } from "../http/errors.ts";
import { GRACE_MS } from "../cache/single-flight.ts";
import { foreseen } from "../foreseen.ts";
import { age } from "../http/freshness.ts";
import type { Log } from "../observability/log.ts";
import { USUAL_LISTS } from "../http/canonical-path.ts";
import { cacheKey, listQuestion } from "../cache/cache-key.ts";
import { originalOf, preferredCoding, readyOf, represent, USUAL_ENCODINGS } from "../cache/representation.ts";
import { refused } from "../cache/negative-cache.ts";
import type { Shared } from "../storage/shared-store.ts";
import { isBasicModel } from "../models/shape.ts";
import type { CacheKey, Coding, Representation, StoredList, Codecs } from "../storage/store.ts";
import { asFailure, TIMED_OUT, UpstreamFailure } from "../upstream/failures.ts";
import type { ListRequest, Upstream } from "../upstream/list-client.ts";
import { after, type Soon } from "../async/maybe-promise.ts";
import { trouble } from "../observability/throttled-log.ts";
import { within } from "../async/timeout.ts";
import type { Answer, Visit, VisitEnv } from "../http/request-context.ts";
import { cacheStatus } from "../http/cache-status.ts";
import { directives, type Directives, isMatch } from "../http/cache-control.ts";

export interface ModelsSettings {
  readonly settings: Pick<Settings, "modelsList" | "modelsShape" | "listTimeoutMs">;
  readonly cache: Cache;
  readonly shared: Shared | undefined;
  readonly upstream: Upstream;
  readonly codecs: Codecs;
  readonly fingerprint: (credential: string) => Fingerprint;
  /** Names a caller in the log; says nothing after the next start. */
  readonly callerName: (fingerprint: Fingerprint) => string;
  readonly now: () => number;
  readonly log: Log;
}

/** The room's handlers, and a shorter way for what needs no waiting. */
export interface Models extends Record<"list" | "purge", Handler<VisitEnv>> {
  /**
   * Answers where a list is held that is fresh `at` that instant, in a representation that is made already; undefined
   * where there is more to do. Throws a KeylaneError where it is not clear whose list is meant.
   */
  fresh(visit: Visit, at: number): Answer | undefined;
}

/** The life of a list request: identify, look up or ask, shape, deliver. One model by id is a view of the same list. */
export function models(room: ModelsSettings): Models {
  const { settings, cache, upstream, codecs, now } = room;
  const questionOf = foreseen(USUAL_LISTS.values(), (route) => listQuestion(route, settings));
  const codingOf = foreseen(USUAL_ENCODINGS, (field) => preferredCoding(field, codecs));
  const dropping = trouble(now, (fields) => room.log.warn(fields, "rows that are no models dropped"));

  function list(c: Context<VisitEnv>): Soon<Response> {
    const visit = c.env;
    const { caller, name, request, key, coding, directives, view } = read(visit);
    const ask = asker(request, key, coding, name);
    const waitUntil = (work: Promise<unknown>) => c.executionCtx.waitUntil(work);
    const found =
      caller.kind === "token"
        ? askOnce(ask, directives, waitUntil)
        : cache.find({
            key,
            directives,
            ask,
            waitUntil,
            caller: name,
            shared: room.shared?.of(key, caller.credential),
          });
    return after(found, (found) => {
      visit.seen.outcome = found.outcome;
      const held = represent(found.list, view, coding, codecs);
      if (!(held instanceof Promise)) return responseOf(deliver(visit, found, held));
      return held.then((made) => {
        cache.recount(key, found.list);
        if (made === undefined) throw modelNotFound();
        return responseOf(deliver(visit, found, made));
      });
    });
  }

  function fresh(visit: Visit, at: number): Answer | undefined {
    const { key, coding, directives, view } = read(visit);
    // Of a token nothing is ever stored.
    const found = cache.fresh(key, directives, at);
    if (found === undefined) return undefined;
    const ready = readyOf(found.list, view, coding);
    if (ready === undefined) return undefined;
    visit.seen.outcome = found.outcome;
    return deliver(visit, found, ready, at);
  }

  function read({ route, arrival: { field }, seen }: Visit) {
    if (route.room !== "models" && route.room !== "model")
      throw new TypeError(`Not a list route: ${route.room}`);
    const caller = identify(field("authorization"), field("x-api-key"));
    const fingerprint = room.fingerprint(caller.credential);
    seen.caller = room.callerName(fingerprint);
    const question = questionOf(route);
    const origin = field("origin") ?? undefined;
    return {
      caller,
      name: seen.caller,
      request: { list: question.list, query: question.query, credential: caller.credential, origin },
      key: cacheKey(fingerprint, question, origin),
      coding: codingOf(field("accept-encoding")),
      directives: directives(field("cache-control")),
      view: { shape: question.shape, id: route.room === "model" ? route.id : undefined },
    };
  }

  function asker(request: ListRequest, { fingerprint }: CacheKey, coding: Coding, name: string) {
    return async (isKnown: boolean, signal: AbortSignal): Promise<StoredList> => {
      const { catalog, answeredAt } = await upstream.ask(request, { name: fingerprint, isKnown }, signal);
      if (catalog.dropped > 0) dropping.failed("rows", { caller: name, rows: catalog.dropped });
      return {
        storedAt: answeredAt,
        isEmpty: catalog.models.length === 0,
        isBasic: catalog.models.every(isBasicModel),
        original: await originalOf(catalog.bytes, keptCoding(coding), codecs),
        views: new Map(),
      };
    };
  }

  // Kept as the first caller likes it: most tools ask in one coding for ever.
  function keptCoding(asked: Coding): Coding {
    return asked === "identity" && codecs.has("gzip") ? "gzip" : asked;
  }

  // A signed token names its caller for one call: nothing is shared, stored or tried again.
  async function askOnce(
    ask: ReturnType<typeof asker>,
    { onlyIfCached }: Directives,
    waitUntil: (work: Promise<unknown>) => void,
  ): Promise<Found> {
    if (onlyIfCached) throw notCached();
    try {
      const answer = ask(false, AbortSignal.timeout(settings.listTimeoutMs));
      // On Workers a caller who leaves would take his place among the list fetches with him.
      waitUntil(answer.catch(() => {}));
      // There a question can also be lost with the request whose end gave it its place: this timer is its own.
      const list = await within(answer, settings.listTimeoutMs + GRACE_MS);
      if (list === undefined) throw new UpstreamFailure("failed", TIMED_OUT, "overdue");
      return { list, outcome: { by: "forward", why: "bypass", isStored: false, isCollapsed: false } };
    } catch (fault) {
      throw refused({ failure: asFailure(fault), retryAt: now() }, now());
    }
  }

  function deliver(
    visit: Visit,
    { list, outcome }: Found,
    { etag, coding, bytes }: Representation,
    at = now(),
  ): Answer {
    const fields: Record<string, string> = {
      ...visit.fields,
      ETag: etag,
      "Cache-Control": "private, no-cache",
      Vary: "Authorization, X-API-Key, Origin, Accept-Encoding",
      Age: String(Math.floor(age(list.storedAt, at) / 1000)),
      "Cache-Status": cacheStatus(outcome),
      "Content-Type": "application/json",
    };
    const ifNoneMatch = visit.arrival.field("if-none-match");
    if (ifNoneMatch !== null && isMatch(ifNoneMatch, etag)) return { status: 304, fields, bytes: null };
    fields["Content-Length"] = String(bytes.length);
    if (coding !== "identity") fields["Content-Encoding"] = coding;
    return { status: 200, fields, bytes };
  }

  async function purge(c: Context<VisitEnv>): Promise<Response> {
    const { field } = c.env.arrival;
    const fingerprint = room.fingerprint(identify(field("authorization"), field("x-api-key")).credential);
    c.env.seen.caller = room.callerName(fingerprint);
    cache.purge(fingerprint);
    await room.shared?.purge(fingerprint);
    return new Response(null, { status: 204, headers: c.env.fields });
  }

  return { list, fresh, purge };
}

function responseOf({ status, fields, bytes }: Answer): Response {
  return new Response(bytes, { status, headers: fields });
}

function modelNotFound(): KeylaneError {
  const message = "No model with this id is on this key's list: ids are compared exactly, see /v1/models.";
  return new KeylaneError(problem(404, "model_not_found", message, { param: "model" }));
}
