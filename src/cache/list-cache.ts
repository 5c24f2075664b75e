import type { Fingerprint } from "../http/credential.ts";
import type { FetchJob, FetchResult } from "./fetch-job.ts";
import { isTransient, ApiError, errorBody } from "../http/errors.ts";
import { flights, GRACE_MS } from "./single-flight.ts";
import { age, freshness, lifetimesOf, type Freshness, type ListLifetimes } from "../http/freshness.ts";
import type { Log } from "../observability/log.ts";
import { createNegativeCache, toApiError } from "./negative-cache.ts";
import type { CacheKey, Store, StoredList } from "../storage/store.ts";
import { TIMED_OUT, fetchFailureLog } from "../upstream/failures.ts";
import type { MetricsRecorder } from "../observability/metrics.ts";
import type { MaybePromise } from "../async/maybe-promise.ts";
import type { CacheOutcome } from "../http/cache-status.ts";
import type { Directives } from "../http/cache-control.ts";

export interface ListCacheSettings extends ListLifetimes {
  readonly listTimeoutMs: number;
}

/** One caller's question for one list. */
export interface CacheRequest extends Omit<FetchJob, "isStored" | "hasStoredList" | "isAcceptable"> {
  readonly directives: Directives;
}

export interface CacheResult {
  readonly list: StoredList;
  readonly outcome: CacheOutcome;
}

/** Knows when to ask, when to wait and when to serve what is held. */
export interface ListCache {
  /** Answers a question, at once where what is held will do. Rejects with a KeylaneError, and never throws one. */
  get(question: CacheRequest): MaybePromise<CacheResult>;
  /** Gives what is held where it is fresh `at` that instant and will do; undefined where there is more to do. */
  fresh(key: CacheKey, directives: Directives, at: number): CacheResult | undefined;
  /** Forgets everything held for a fingerprint; a flight under way cannot bring it back. */
  purge(fingerprint: Fingerprint): void;
  /** Forgets what is held for a fingerprint that a neighbour has purged; it may be asked for again at once. */
  invalidate(fingerprint: Fingerprint): void;
  /** Counts a list again after a view of it was made. */
  updateSize(key: CacheKey, list: StoredList): void;
}

type ForwardReason = "uri-miss" | "stale" | "request";

// A tool that polls with no-cache costs its key one upstream call a second at most.
const NO_CACHE_INTERVAL_MS = 1000;

/** Makes the cache over a store. `now` gives milliseconds since the epoch. */
export function createListCache(
  store: Store,
  settings: ListCacheSettings,
  now: () => number,
  log: Log,
  observe: MetricsRecorder,
): ListCache {
  const remembered = createNegativeCache(settings.refusalMaxAgeMs, now);
  const flying = flights(store, remembered, settings, now, fetchFailureLog(now, log));

  function get(question: CacheRequest): MaybePromise<CacheResult> {
    const { key, directives } = question;
    const at = now();
    const stored = store.get(key);
    const found = freshOf(stored, directives, at);
    if (found !== undefined) return found;
    const state = stateOf(stored, at);
    const usable = state === "expired" ? undefined : stored;
    if (directives.onlyIfCached) return usable === undefined ? look(question) : held(usable);
    if (directives.noStore) return ask(question, usable, "request");
    if (usable === undefined) return ask(question, undefined, stored === undefined ? "uri-miss" : "stale");
    if (isTooOld(usable, directives, at)) return ask(question, usable, "request");
    return state === "stale-while-revalidate" ? refresh(question, usable) : ask(question, usable, "stale");
  }

  function freshOf(
    list: StoredList | undefined,
    directives: Directives,
    at: number,
  ): CacheResult | undefined {
    if (list === undefined || directives.noStore || stateOf(list, at) !== "fresh") return undefined;
    return isTooOld(list, directives, at) ? undefined : held(list, undefined, at);
  }

  async function look({ shared }: CacheRequest): Promise<CacheResult> {
    const found = usableOf(await shared?.get());
    if (found === undefined) throw notCached();
    return held(found);
  }

  function stateOf(list: StoredList | undefined, at = now()): Freshness {
    return list === undefined ? "expired" : freshness(age(list.storedAt, at), lifetimesOf(list, settings));
  }

  function usableOf(list: StoredList | undefined): StoredList | undefined {
    return stateOf(list) === "expired" ? undefined : list;
  }

  function refresh(question: CacheRequest, stale: StoredList): CacheResult {
    if (remembered.get(question.key) !== undefined) return held(stale, "upstream-failed");
    const landing = flying.start({ ...question, isStored: true, hasStoredList: true, isAcceptable: isFresh });
    if (landing !== undefined) question.waitUntil(landing.then(refreshed));
    return held(stale, "refreshing");
  }

  function refreshed(landing: FetchResult): void {
    observe.recordRefresh("error" in landing ? "failed" : landing.from);
  }

  async function ask(
    question: CacheRequest,
    usable: StoredList | undefined,
    why: ForwardReason,
  ): Promise<CacheResult> {
    const { key, directives, shared } = question;
    const refusal = remembered.get(key);
    if (refusal !== undefined) return fallBack(usable, toApiError(refusal, now()));
    const isAcceptable = why === "request" ? undefined : isServedAtOnce;
    const hasStoredList = usable !== undefined;
    const errand = { ...question, isStored: !directives.noStore, hasStoredList, isAcceptable };
    const startedAt = now();
    const halfTime = startedAt + settings.listTimeoutMs / 2;
    const fullTime = startedAt + settings.listTimeoutMs + GRACE_MS;
    // With a list to fall back on nobody waits longer than is fair to a tool that has a limit of its own.
    let deadline = usable === undefined && shared === undefined ? fullTime : halfTime;
    // Who waits a second time joins the flight that he started.
    let isOwn = false;
    for (;;) {
      const { landing, ...joined } = await flying.wait(errand, deadline);
      isOwn ||= !joined.isCollapsed;
      if (landing !== undefined && "list" in landing) {
        const { list, from, isStored } = landing;
        const isCollapsed = !isOwn;
        if (from === "upstream") return { list, outcome: { by: "forward", why, isStored, isCollapsed } };
        // Another caller was content with a neighbour's list; this one is not.
        if (!isTooOld(list, directives)) return isFresh(list) ? held(list) : refresh(question, list);
        isOwn = false;
        continue;
      }
      // Looked for anew: what was purged during the wait is nothing to fall back on, and a neighbour's may have come.
      const still = usableOf(store.get(key));
      if (landing !== undefined) return fallBack(still, landing.error);
      if (still !== undefined) return held(still, "refreshing");
      if (deadline === fullTime) throw new ApiError(TIMED_OUT, { "Retry-After": "1" });
      deadline = fullTime;
    }
  }

  function isFresh(list: StoredList): boolean {
    return stateOf(list) === "fresh";
  }

  function isServedAtOnce(list: StoredList): boolean {
    const state = stateOf(list);
    return state === "fresh" || state === "stale-while-revalidate";
  }

  // RFC 5861 §4 for 5xx and silence; 408, 425 and 429 say "not now" as well. Any other 4xx is an answer.
  function fallBack(usable: StoredList | undefined, error: ApiError): CacheResult {
    if (usable === undefined || !isTransient(error.body.status)) throw error;
    return held(usable, "upstream-failed");
  }

  function held(list: StoredList, detail?: "refreshing" | "upstream-failed", at = now()): CacheResult {
    const ttlMs = lifetimesOf(list, settings).maxAgeMs - age(list.storedAt, at);
    return { list, outcome: { by: "hit", ttlMs, ...(detail === undefined ? {} : { detail }) } };
  }

  function isTooOld(list: StoredList, { noCache, maxAgeMs }: Directives, at = now()): boolean {
    const ageMs = age(list.storedAt, at);
    if (noCache || maxAgeMs === 0) return ageMs >= NO_CACHE_INTERVAL_MS;
    return maxAgeMs !== undefined && ageMs > maxAgeMs;
  }

  function invalidate(fingerprint: Fingerprint): void {
    flying.ground(fingerprint);
    store.purge(fingerprint);
  }

  return {
    get,
    fresh: (key, directives, at) => freshOf(store.get(key), directives, at),
    invalidate,
    purge(fingerprint) {
      remembered.delete(fingerprint);
      invalidate(fingerprint);
    },
    updateSize: (key, list) => store.updateSize(key, list),
  };
}

/** There is no list that may be served without asking upstream. */
export function notCached(): ApiError {
  const message = "No list is stored for this key: ask without `Cache-Control: only-if-cached`.";
  return new ApiError(errorBody(504, "not_cached", message));
}
