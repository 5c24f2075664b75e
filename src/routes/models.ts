import type { Context, Handler } from "hono";
import { mapMaybePromise, type MaybePromise } from "../async/maybe-promise.ts";
import { withTimeout } from "../async/timeout.ts";
import { cacheKey, parseListQuery } from "../cache/cache-key.ts";
import { notCached, type CacheResult, type ListCache } from "../cache/list-cache.ts";
import { toApiError } from "../cache/negative-cache.ts";
import {
  COMMON_ACCEPT_ENCODINGS,
  encodeOriginal,
  getRepresentation,
  negotiateCoding,
} from "../cache/representation.ts";
import { OVERDUE_GRACE_MS } from "../cache/single-flight.ts";
import type { Settings } from "../config/settings.ts";
import { matchesEtag, parseDirectives, type Directives, cacheStatus } from "../http/cache-headers.ts";
import { COMMON_LIST_ROUTES } from "../http/canonical-path.ts";
import { parseCredential, type Fingerprint } from "../http/credential.ts";
import { ApiError, errorBody, UPSTREAM_TIMEOUT } from "../http/errors.ts";
import { age, type Clock } from "../http/freshness.ts";
import { type AppEnv, type RequestContext, toResponse } from "../http/request-context.ts";
import type { Log } from "../observability/log.ts";
import { throttledLog } from "../observability/throttled-log.ts";
import type { SharedCache } from "../storage/shared-store.ts";
import type { CacheKey, Codecs, Coding, Representation, StoredList } from "../storage/store.ts";
import { toUpstreamFailure, UpstreamFailure } from "../upstream/failures.ts";
import type { ListClient, ListRequest } from "../upstream/list-client.ts";

export interface ModelRoutesDeps {
  readonly settings: Pick<Settings, "modelsList" | "modelsShape" | "listTimeoutMs">;
  readonly cache: ListCache;
  readonly sharedCache: SharedCache | undefined;
  readonly listClient: ListClient;
  readonly codecs: Codecs;
  readonly fingerprint: (credential: string) => Fingerprint;
  /** Names a client in the log; means nothing after the next start. */
  readonly clientName: (fingerprint: Fingerprint) => string;
  readonly now: Clock;
  readonly log: Log;
}

/** The list routes: parse credential and query, ask the cache, choose a representation, respond. */
export function createModelRoutes(deps: ModelRoutesDeps): Record<"list" | "one" | "purge", Handler<AppEnv>> {
  const { settings, cache, sharedCache, listClient, codecs, now } = deps;
  const queryOf = precompute(COMMON_LIST_ROUTES.values(), (route) => parseListQuery(route, settings));
  const codingOf = precompute(COMMON_ACCEPT_ENCODINGS, (field) => negotiateCoding(field, codecs));
  const invalidRowsLog = throttledLog(now, (fields) => deps.log.warn(fields, "invalid rows dropped"));

  /** `id` undefined: the whole list. */
  function serve(c: Context<AppEnv>, id: string | undefined): MaybePromise<Response> {
    const { credential, isToken, caller, key, listRequest, coding, directives, shape } = parseRequest(c.env);
    const fetchList = listFetcher(listRequest, key, coding, caller);
    const waitUntil = (work: Promise<unknown>) => c.executionCtx.waitUntil(work);
    const shared = sharedCache?.entry(key, credential);
    const result = isToken
      ? fetchUncached(fetchList, directives, waitUntil)
      : cache.get({ key, directives, fetchList, waitUntil, caller, shared });
    return mapMaybePromise(result, (result) => {
      c.env.logFields.outcome = result.outcome;
      const representation = getRepresentation(result.list, { shape, id }, coding, codecs);
      if (!(representation instanceof Promise)) return buildResponse(c.env, result, representation);
      return representation.then((rendered) => {
        cache.updateSize(key, result.list);
        if (rendered === undefined) throw modelNotFound();
        return buildResponse(c.env, result, rendered);
      });
    });
  }

  function parseRequest({ route, request: { header }, logFields }: RequestContext) {
    if (route.kind !== "models" && route.kind !== "model") throw new TypeError(`Not a list route: ${route.kind}`);
    const { kind, credential } = parseCredential(header("authorization"), header("x-api-key"));
    const fingerprint = deps.fingerprint(credential);
    const caller = deps.clientName(fingerprint);
    logFields.caller = caller;
    const query = queryOf(route);
    const origin = header("origin") ?? undefined;
    return {
      credential,
      isToken: kind === "token",
      caller,
      key: cacheKey(fingerprint, query, origin),
      listRequest: { list: query.list, query: query.query, credential, origin },
      coding: codingOf(header("accept-encoding")),
      directives: parseDirectives(header("cache-control")),
      shape: query.shape,
    };
  }

  function listFetcher(request: ListRequest, { fingerprint }: CacheKey, coding: Coding, caller: string) {
    return async (hasStoredList: boolean, signal: AbortSignal): Promise<StoredList> => {
      const waiter = { key: fingerprint, hasPriority: hasStoredList };
      const { list, answeredAt } = await listClient.fetchList(request, waiter, signal);
      if (list.dropped > 0) invalidRowsLog.failure("rows", { caller, rows: list.dropped });
      return {
        storedAt: answeredAt,
        isEmpty: list.models.length === 0,
        isBasic: list.isBasic,
        original: await encodeOriginal(list.bytes, storageCoding(coding), codecs),
        views: new Map(),
      };
    };
  }

  // Stored in the coding that the first client prefers: most tools always send the same Accept-Encoding.
  function storageCoding(requested: Coding): Coding {
    return requested === "identity" && codecs.has("gzip") ? "gzip" : requested;
  }

  // A signed token names its client for one call: its list is neither shared nor stored, and the call not repeated.
  async function fetchUncached(
    fetchList: ReturnType<typeof listFetcher>,
    { onlyIfCached }: Directives,
    waitUntil: (work: Promise<unknown>) => void,
  ): Promise<CacheResult> {
    if (onlyIfCached) throw notCached();
    try {
      const fetched = fetchList(false, AbortSignal.timeout(settings.listTimeoutMs));
      // On Workers a cancelled request would leak its concurrency slot; waitUntil keeps it alive.
      waitUntil(fetched.catch(() => {}));
      // A queued fetch can die with the request that woke it; this timeout does not depend on that request.
      const list = await withTimeout(fetched, settings.listTimeoutMs + OVERDUE_GRACE_MS);
      if (list === undefined) throw new UpstreamFailure("failed", UPSTREAM_TIMEOUT, "overdue");
      return { list, outcome: { by: "forward", why: "bypass", isStored: false, isCollapsed: false } };
    } catch (error) {
      throw toApiError({ failure: toUpstreamFailure(error), retryAt: now() }, now());
    }
  }

  function buildResponse(
    context: RequestContext,
    { list, outcome }: CacheResult,
    { etag, coding, bytes }: Representation,
  ): Response {
    const headers: Record<string, string> = {
      ...context.responseHeaders,
      ETag: etag,
      "Cache-Control": "private, no-cache",
      Vary: "Authorization, X-API-Key, Origin, Accept-Encoding",
      Age: String(Math.floor(age(list.storedAt, now()) / 1000)),
      "Cache-Status": cacheStatus(outcome),
      "Content-Type": "application/json",
    };
    const ifNoneMatch = context.request.header("if-none-match");
    if (ifNoneMatch !== null && matchesEtag(ifNoneMatch, etag)) return toResponse(304, headers);
    headers["Content-Length"] = String(bytes.length);
    if (coding !== "identity") headers["Content-Encoding"] = coding;
    return toResponse(200, headers, bytes);
  }

  async function purge(c: Context<AppEnv>): Promise<Response> {
    const { request, responseHeaders, logFields } = c.env;
    const { credential } = parseCredential(request.header("authorization"), request.header("x-api-key"));
    const fingerprint = deps.fingerprint(credential);
    logFields.caller = deps.clientName(fingerprint);
    cache.purge(fingerprint);
    await sharedCache?.purge(fingerprint);
    return toResponse(204, responseHeaders);
  }

  return { list: (c) => serve(c, undefined), one: (c) => serve(c, c.req.param("id")), purge };
}

/**
 * Precomputes `fn` for known inputs; for other inputs it is computed each time and never stored, since they may contain a
 * key.
 */
function precompute<Input, Output>(inputs: Iterable<Input>, fn: (input: Input) => Output): (input: Input) => Output {
  const known = new Map<Input, Output>();
  for (const input of inputs) known.set(input, fn(input));
  return (input) => known.get(input) ?? fn(input);
}

function modelNotFound(): ApiError {
  const message = "No model with this id is on this key's list: ids are compared exactly, see /v1/models.";
  return new ApiError(errorBody(404, "model_not_found", message, { param: "model" }));
}
