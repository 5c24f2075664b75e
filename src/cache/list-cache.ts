import type { MaybePromise } from "../async/maybe-promise.ts";
import type { Directives, CacheOutcome } from "../http/cache-headers.ts";
import type { Fingerprint } from "../http/credential.ts";
import { ApiError, UPSTREAM_TIMEOUT, apiError, isTransient } from "../http/errors.ts";
import { age, freshness, lifetimesOf, type Freshness, type ListLifetimes, type Clock } from "../http/freshness.ts";
import type { Log } from "../observability/log.ts";
import type { MetricsRecorder } from "../observability/metrics.ts";
import type { CacheKey, Store, StoredList } from "../storage/store.ts";
import { createFetchRunner, type FetchJob, type FetchResult } from "./fetch-job.ts";
import { createGenerations } from "./generations.ts";
import { createNegativeCache, toApiError } from "./negative-cache.ts";
import { createSingleFlight, OVERDUE_GRACE_MS, type Shareable } from "./single-flight.ts";

export interface ListCacheSettings extends ListLifetimes {
  readonly listTimeoutMs: number;
}

/** One client's request for one list. */
export interface CacheRequest extends Omit<FetchJob, "isStored" | "hasStoredList" | "isAcceptable" | "generation"> {
  readonly directives: Directives;
}

export interface CacheResult {
  readonly list: StoredList;
  readonly outcome: CacheOutcome;
}

/** Decides when to serve a stored list, when to wait for a fetch and when to start one. */
export interface ListCache {
  /** Serves a request, synchronously where a stored list will do. Rejects with an ApiError, and never throws one. */
  get(request: CacheRequest): MaybePromise<CacheResult>;
  /** Removes everything of a fingerprint, remembered failures included; a fetch in flight cannot restore it. */
  purge(fingerprint: Fingerprint): void;
  /** Removes the lists of a fingerprint that a peer has purged; they may be fetched again at once. */
  invalidate(fingerprint: Fingerprint): void;
  /** Accounts for a view that was added to a stored list. */
  updateSize(key: CacheKey, list: StoredList): void;
}

/** Why a request was forwarded, as Cache-Status says it (RFC 9211 §2.2). */
type ForwardReason = "uri-miss" | "stale" | "request";

// A tool that polls with no-cache costs its key one upstream call a second at most.
const NO_CACHE_INTERVAL_MS = 1000;

/** */
export function createListCache(
  store: Store,
  settings: ListCacheSettings,
  now: Clock,
  log: Log,
  metrics: MetricsRecorder,
): ListCache {
  const { listTimeoutMs } = settings;
  const negativeCache = createNegativeCache(settings.refusalMaxAgeMs, now);
  const generations = createGenerations();
  const runFetch = createFetchRunner({ store, negativeCache, generations, listTimeoutMs, now, log });
  const singleFlight = createSingleFlight<FetchResult>(listTimeoutMs, now);

  function get(request: CacheRequest): MaybePromise<CacheResult> {
    const { key, directives } = request;
    const at = now();
    const stored = store.get(key);
    const state = stateOf(stored, at);
    const usable = state === "expired" ? undefined : stored;
    const isRecentEnough = usable !== undefined && !directives.noStore && !isTooOld(usable, directives, at);
    if (isRecentEnough && state === "fresh") return hit(usable, undefined, at);
    if (directives.onlyIfCached) return usable === undefined ? getShared(request) : hit(usable);
    if (directives.noStore) return fetchOrWait(request, usable, "request");
    if (usable === undefined) return fetchOrWait(request, undefined, stored === undefined ? "uri-miss" : "stale");
    if (!isRecentEnough) return fetchOrWait(request, usable, "request");
    return state === "stale-while-revalidate"
      ? refreshInBackground(request, usable)
      : fetchOrWait(request, usable, "stale");
  }

  async function getShared({ shared }: CacheRequest): Promise<CacheResult> {
    const list = unlessExpired(await shared?.get());
    if (list === undefined) throw notCached();
    return hit(list);
  }

  function refreshInBackground(request: CacheRequest, stale: StoredList): CacheResult {
    if (negativeCache.get(request.key) !== undefined) return hit(stale, "upstream-failed");
    const work = fetchOf(request, { isStored: true, hasStoredList: true, isAcceptable: isFresh });
    const { result, isCollapsed } = singleFlight.do(work);
    if (!isCollapsed) request.waitUntil(result.then(recordRefresh));
    return hit(stale, "refreshing");
  }

  function recordRefresh(result: FetchResult): void {
    metrics.recordRefresh("error" in result ? "failed" : result.from);
  }

  async function fetchOrWait(
    request: CacheRequest,
    usable: StoredList | undefined,
    why: ForwardReason,
  ): Promise<CacheResult> {
    const { key, directives, shared } = request;
    const known = negativeCache.get(key);
    if (known !== undefined) return serveStaleOnError(usable, toApiError(known, now()));
    const options = {
      isStored: !directives.noStore,
      hasStoredList: usable !== undefined,
      isAcceptable: why === "request" ? undefined : isServedAtOnce,
    };
    const startedAt = now();
    const halfTime = startedAt + listTimeoutMs / 2;
    const fullTime = startedAt + listTimeoutMs + OVERDUE_GRACE_MS;
    // With a list to fall back on, a client with a time limit of its own waits for half of LIST_TIMEOUT.
    let deadline = usable === undefined && shared === undefined ? fullTime : halfTime;
    // A client that waits a second time joins the fetch that it started.
    let isOwn = false;
    for (;;) {
      const { result, isCollapsed } = await singleFlight.wait(fetchOf(request, options), deadline);
      isOwn ||= !isCollapsed;
      if (result !== undefined && "list" in result) {
        const { list, from, isStored } = result;
        if (from === "upstream") return { list, outcome: { by: "forward", why, isStored, isCollapsed: !isOwn } };
        // Another client accepted a peer's list that is too old for this one.
        if (!isTooOld(list, directives)) return isFresh(list) ? hit(list) : refreshInBackground(request, list);
        isOwn = false;
        continue;
      }
      // Looked up again: the list may have been purged during the wait, or a peer's may have come.
      const still = unlessExpired(store.get(key));
      if (result !== undefined) return serveStaleOnError(still, result.error);
      if (still !== undefined) return hit(still, "refreshing");
      if (deadline === fullTime) throw new ApiError(UPSTREAM_TIMEOUT, { "Retry-After": "1" });
      deadline = fullTime;
    }
  }

  // The generation is part of the key: nobody joins a fetch from before a purge or a 401.
  function fetchOf(
    request: CacheRequest,
    options: Pick<FetchJob, "isStored" | "hasStoredList" | "isAcceptable">,
  ): Shareable<FetchResult> {
    const { fingerprint, variant } = request.key;
    const generation = generations.current(fingerprint);
    const job = { ...request, ...options, generation };
    return {
      key: `${fingerprint} ${variant} ${options.isStored ? "" : "no-store"} ${generation}`,
      run: (flight) => runFetch(job, flight),
      waitUntil: request.waitUntil,
    };
  }

  // RFC 5861 §4 for 5xx and timeouts; 408, 425 and 429 mean "not now" as well. Any other 4xx is an answer.
  function serveStaleOnError(usable: StoredList | undefined, error: ApiError): CacheResult {
    if (usable === undefined || !isTransient(error.body.status)) throw error;
    return hit(usable, "upstream-failed");
  }

  function hit(list: StoredList, detail?: "refreshing" | "upstream-failed", at = now()): CacheResult {
    const ttlMs = lifetimesOf(list, settings).maxAgeMs - age(list.storedAt, at);
    return { list, outcome: { by: "hit", ttlMs, ...(detail === undefined ? {} : { detail }) } };
  }

  function stateOf(list: StoredList | undefined, at = now()): Freshness {
    return list === undefined ? "expired" : freshness(age(list.storedAt, at), lifetimesOf(list, settings));
  }

  function unlessExpired(list: StoredList | undefined): StoredList | undefined {
    return stateOf(list) === "expired" ? undefined : list;
  }

  function isFresh(list: StoredList): boolean {
    return stateOf(list) === "fresh";
  }

  function isServedAtOnce(list: StoredList): boolean {
    const state = stateOf(list);
    return state === "fresh" || state === "stale-while-revalidate";
  }

  function isTooOld(list: StoredList, { noCache, maxAgeMs }: Directives, at = now()): boolean {
    const ageMs = age(list.storedAt, at);
    if (noCache || maxAgeMs === 0) return ageMs >= NO_CACHE_INTERVAL_MS;
    return maxAgeMs !== undefined && ageMs > maxAgeMs;
  }

  function invalidate(fingerprint: Fingerprint): void {
    generations.advance(fingerprint);
    store.purge(fingerprint);
  }

  return {
    get,
    invalidate,
    purge(fingerprint) {
      negativeCache.delete(fingerprint);
      invalidate(fingerprint);
    },
    updateSize: (key, list) => store.updateSize(key, list),
  };
}

/** No stored list may be served, and the client does not want upstream to be asked. */
export function notCached(): ApiError {
  const message = "No list is stored for this key: ask without `Cache-Control: only-if-cached`.";
  return apiError(504, "not_cached", message);
}
