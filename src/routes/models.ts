import type { Context, Handler } from "hono";
import { notCached, type ListCache, type CacheResult } from "../cache/list-cache.ts";
import type { Settings } from "../config/settings.ts";
import { parseCredential, type Fingerprint } from "../http/credential.ts";
import { ApiError, errorBody } from "../http/errors.ts";
import { GRACE_MS } from "../cache/single-flight.ts";
import { precompute } from "../foreseen.ts";
import { age } from "../http/freshness.ts";
import type { Log } from "../observability/log.ts";
import { COMMON_LIST_ROUTES } from "../http/canonical-path.ts";
import { cacheKey, parseListQuery } from "../cache/cache-key.ts";
import {
  encodeOriginal,
  negotiateCoding,
  getReady,
  getRepresentation,
  COMMON_ACCEPT_ENCODINGS,
} from "../cache/representation.ts";
import { toApiError } from "../cache/negative-cache.ts";
import type { SharedCache } from "../storage/shared-store.ts";
import { isBasicModel } from "../models/shape.ts";
import type { CacheKey, Coding, Representation, StoredList, Codecs } from "../storage/store.ts";
import { toUpstreamFailure, TIMED_OUT, UpstreamFailure } from "../upstream/failures.ts";
import type { ListRequest, ListClient } from "../upstream/list-client.ts";
import { mapMaybePromise, type MaybePromise } from "../async/maybe-promise.ts";
import { throttledLog } from "../observability/throttled-log.ts";
import { withTimeout } from "../async/timeout.ts";
import type { ResponseData, RequestContext, AppEnv } from "../http/request-context.ts";
import { cacheStatus } from "../http/cache-status.ts";
import { parseDirectives, type Directives, matchesEtag } from "../http/cache-control.ts";

export interface ModelRoutesDeps {
  readonly settings: Pick<Settings, "modelsList" | "modelsShape" | "listTimeoutMs">;
  readonly cache: ListCache;
  readonly shared: SharedCache | undefined;
  readonly upstream: ListClient;
  readonly codecs: Codecs;
  readonly fingerprint: (credential: string) => Fingerprint;
  /** Names a caller in the log; says nothing after the next start. */
  readonly callerName: (fingerprint: Fingerprint) => string;
  readonly now: () => number;
  readonly log: Log;
}

/** The room's handlers, and a shorter way for what needs no waiting. */
export interface ModelRoutes extends Record<"list" | "purge", Handler<AppEnv>> {
  /**
   * Answers where a list is held that is fresh `at` that instant, in a representation that is made already; undefined
   * where there is more to do. Throws a KeylaneError where it is not clear whose list is meant.
   */
  fresh(visit: RequestContext, at: number): ResponseData | undefined;
}

/** The life of a list request: identify, look up or ask, shape, deliver. One model by id is a view of the same list. */
export function createModelRoutes(room: ModelRoutesDeps): ModelRoutes {
  const { settings, cache, upstream, codecs, now } = room;
  const questionOf = precompute(COMMON_LIST_ROUTES.values(), (route) => parseListQuery(route, settings));
  const codingOf = precompute(COMMON_ACCEPT_ENCODINGS, (field) => negotiateCoding(field, codecs));
  const dropping = throttledLog(now, (fields) => room.log.warn(fields, "rows that are no models dropped"));

  function list(c: Context<AppEnv>): MaybePromise<Response> {
    const visit = c.env;
    const { caller, name, request, key, coding, directives, view } = read(visit);
    const ask = asker(request, key, coding, name);
    const waitUntil = (work: Promise<unknown>) => c.executionCtx.waitUntil(work);
    const found =
      caller.kind === "token"
        ? askOnce(ask, directives, waitUntil)
        : cache.get({
            key,
            directives,
            fetchList: ask,
            waitUntil,
            caller: name,
            shared: room.shared?.entry(key, caller.credential),
          });
    return mapMaybePromise(found, (found) => {
      visit.logFields.outcome = found.outcome;
      const held = getRepresentation(found.list, view, coding, codecs);
      if (!(held instanceof Promise)) return responseOf(deliver(visit, found, held));
      return held.then((made) => {
        cache.updateSize(key, found.list);
        if (made === undefined) throw modelNotFound();
        return responseOf(deliver(visit, found, made));
      });
    });
  }

  function fresh(visit: RequestContext, at: number): ResponseData | undefined {
    const { key, coding, directives, view } = read(visit);
    // Of a token nothing is ever stored.
    const found = cache.fresh(key, directives, at);
    if (found === undefined) return undefined;
    const ready = getReady(found.list, view, coding);
    if (ready === undefined) return undefined;
    visit.logFields.outcome = found.outcome;
    return deliver(visit, found, ready, at);
  }

  function read({ route, request: { header }, logFields }: RequestContext) {
    if (route.room !== "models" && route.room !== "model")
      throw new TypeError(`Not a list route: ${route.room}`);
    const caller = parseCredential(header("authorization"), header("x-api-key"));
    const fingerprint = room.fingerprint(caller.credential);
    logFields.caller = room.callerName(fingerprint);
    const question = questionOf(route);
    const origin = header("origin") ?? undefined;
    return {
      caller,
      name: logFields.caller,
      request: { list: question.list, query: question.query, credential: caller.credential, origin },
      key: cacheKey(fingerprint, question, origin),
      coding: codingOf(header("accept-encoding")),
      directives: parseDirectives(header("cache-control")),
      view: { shape: question.shape, id: route.room === "model" ? route.id : undefined },
    };
  }

  function asker(request: ListRequest, { fingerprint }: CacheKey, coding: Coding, name: string) {
    return async (hasPriority: boolean, signal: AbortSignal): Promise<StoredList> => {
      const { models, answeredAt } = await upstream.fetchList(
        request,
        { key: fingerprint, hasPriority },
        signal,
      );
      if (models.dropped > 0) dropping.failure("rows", { caller: name, rows: models.dropped });
      return {
        storedAt: answeredAt,
        isEmpty: models.models.length === 0,
        isBasic: models.models.every(isBasicModel),
        original: await encodeOriginal(models.bytes, keptCoding(coding), codecs),
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
  ): Promise<CacheResult> {
    if (onlyIfCached) throw notCached();
    try {
      const answer = ask(false, AbortSignal.timeout(settings.listTimeoutMs));
      // On Workers a caller who leaves would take his place among the list fetches with him.
      waitUntil(answer.catch(() => {}));
      // There a question can also be lost with the request whose end gave it its place: this timer is its own.
      const list = await withTimeout(answer, settings.listTimeoutMs + GRACE_MS);
      if (list === undefined) throw new UpstreamFailure("failed", TIMED_OUT, "overdue");
      return { list, outcome: { by: "forward", why: "bypass", isStored: false, isCollapsed: false } };
    } catch (fault) {
      throw toApiError({ failure: toUpstreamFailure(fault), retryAt: now() }, now());
    }
  }

  function deliver(
    visit: RequestContext,
    { list, outcome }: CacheResult,
    { etag, coding, bytes }: Representation,
    at = now(),
  ): ResponseData {
    const fields: Record<string, string> = {
      ...visit.headers,
      ETag: etag,
      "Cache-Control": "private, no-cache",
      Vary: "Authorization, X-API-Key, Origin, Accept-Encoding",
      Age: String(Math.floor(age(list.storedAt, at) / 1000)),
      "Cache-Status": cacheStatus(outcome),
      "Content-Type": "application/json",
    };
    const ifNoneMatch = visit.request.header("if-none-match");
    if (ifNoneMatch !== null && matchesEtag(ifNoneMatch, etag))
      return { status: 304, headers: fields, body: null };
    fields["Content-Length"] = String(bytes.length);
    if (coding !== "identity") fields["Content-Encoding"] = coding;
    return { status: 200, headers: fields, body: bytes };
  }

  async function purge(c: Context<AppEnv>): Promise<Response> {
    const { header } = c.env.request;
    const fingerprint = room.fingerprint(
      parseCredential(header("authorization"), header("x-api-key")).credential,
    );
    c.env.logFields.caller = room.callerName(fingerprint);
    cache.purge(fingerprint);
    await room.shared?.purge(fingerprint);
    return new Response(null, { status: 204, headers: c.env.headers });
  }

  return { list, fresh, purge };
}

function responseOf({ status, headers, body }: ResponseData): Response {
  return new Response(body, { status, headers: headers });
}

function modelNotFound(): ApiError {
  const message = "No model with this id is on this key's list: ids are compared exactly, see /v1/models.";
  return new ApiError(errorBody(404, "model_not_found", message, { param: "model" }));
}
