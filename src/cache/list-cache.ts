import type { Fingerprint } from "../http/credential.ts";
import type { Errand, Landing } from "./fetch-job.ts";
import { isTransient, KeylaneError, problem } from "../http/errors.ts";
import { flights, GRACE_MS } from "./single-flight.ts";
import { age, freshness, lifetimesOf, type Freshness, type ListLifetimes } from "../http/freshness.ts";
import type { Log } from "../observability/log.ts";
import { refusals, refused } from "./negative-cache.ts";
import type { CacheKey, Store, StoredList } from "../storage/store.ts";
import { TIMED_OUT, fetchTroubles } from "../upstream/failures.ts";
import type { Observe } from "../observability/metrics.ts";
import type { Soon } from "../async/maybe-promise.ts";
import type { CacheOutcome } from "../http/cache-status.ts";
import type { Directives } from "../http/cache-control.ts";

export interface CacheSettings extends ListLifetimes {
  readonly listTimeoutMs: number;
}

/** One caller's question for one list. */
export interface Question extends Omit<Errand, "isStored" | "isKnown" | "isEnough"> {
  readonly directives: Directives;
}

export interface Found {
  readonly list: StoredList;
  readonly outcome: CacheOutcome;
}

/** Knows when to ask, when to wait and when to serve what is held. */
export interface Cache {
  /** Answers a question, at once where what is held will do. Rejects with a KeylaneError, and never throws one. */
  find(question: Question): Soon<Found>;
  /** Gives what is held where it is fresh `at` that instant and will do; undefined where there is more to do. */
  fresh(key: CacheKey, directives: Directives, at: number): Found | undefined;
  /** Forgets everything held for a fingerprint; a flight under way cannot bring it back. */
  purge(fingerprint: Fingerprint): void;
  /** Forgets what is held for a fingerprint that a neighbour has purged; it may be asked for again at once. */
  forget(fingerprint: Fingerprint): void;
  /** Counts a list again after a view of it was made. */
  recount(key: CacheKey, list: StoredList): void;
}

type Why = "uri-miss" | "stale" | "request";

// A tool that polls with no-cache costs its key one upstream call a second at most.
const NO_CACHE_INTERVAL_MS = 1000;

/** Makes the cache over a store. `now` gives milliseconds since the epoch. */
export function cache(
  store: Store,
  settings: CacheSettings,
  now: () => number,
  log: Log,
  observe: Observe,
): Cache {
  const remembered = refusals(settings.refusalMaxAgeMs, now);
  const flying = flights(store, remembered, settings, now, fetchTroubles(now, log));

  function find(question: Question): Soon<Found> {
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

  function freshOf(list: StoredList | undefined, directives: Directives, at: number): Found | undefined {
    if (list === undefined || directives.noStore || stateOf(list, at) !== "fresh") return undefined;
    return isTooOld(list, directives, at) ? undefined : held(list, undefined, at);
  }

  async function look({ shared }: Question): Promise<Found> {
    const found = usableOf(await shared?.look());
    if (found === undefined) throw notCached();
    return held(found);
  }

  function stateOf(list: StoredList | undefined, at = now()): Freshness {
    return list === undefined ? "expired" : freshness(age(list.storedAt, at), lifetimesOf(list, settings));
  }

  function usableOf(list: StoredList | undefined): StoredList | undefined {
    return stateOf(list) === "expired" ? undefined : list;
  }

  function refresh(question: Question, stale: StoredList): Found {
    if (remembered.active(question.key) !== undefined) return held(stale, "upstream-failed");
    const landing = flying.start({ ...question, isStored: true, isKnown: true, isEnough: isFresh });
    if (landing !== undefined) question.waitUntil(landing.then(refreshed));
    return held(stale, "refreshing");
  }

  function refreshed(landing: Landing): void {
    observe.refreshed("error" in landing ? "failed" : landing.from);
  }

  async function ask(question: Question, usable: StoredList | undefined, why: Why): Promise<Found> {
    const { key, directives, shared } = question;
    const refusal = remembered.active(key);
    if (refusal !== undefined) return fallBack(usable, refused(refusal, now()));
    const isEnough = why === "request" ? undefined : isServedAtOnce;
    const isKnown = usable !== undefined;
    const errand = { ...question, isStored: !directives.noStore, isKnown, isEnough };
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
      if (deadline === fullTime) throw new KeylaneError(TIMED_OUT, { "Retry-After": "1" });
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
  function fallBack(usable: StoredList | undefined, error: KeylaneError): Found {
    if (usable === undefined || !isTransient(error.problem.status)) throw error;
    return held(usable, "upstream-failed");
  }

  function held(list: StoredList, detail?: "refreshing" | "upstream-failed", at = now()): Found {
    const ttlMs = lifetimesOf(list, settings).maxAgeMs - age(list.storedAt, at);
    return { list, outcome: { by: "hit", ttlMs, ...(detail === undefined ? {} : { detail }) } };
  }

  function isTooOld(list: StoredList, { noCache, maxAgeMs }: Directives, at = now()): boolean {
    const ageMs = age(list.storedAt, at);
    if (noCache || maxAgeMs === 0) return ageMs >= NO_CACHE_INTERVAL_MS;
    return maxAgeMs !== undefined && ageMs > maxAgeMs;
  }

  function forget(fingerprint: Fingerprint): void {
    flying.ground(fingerprint);
    store.purge(fingerprint);
  }

  return {
    find,
    fresh: (key, directives, at) => freshOf(store.get(key), directives, at),
    forget,
    purge(fingerprint) {
      remembered.forget(fingerprint);
      forget(fingerprint);
    },
    recount: (key, list) => store.recount(key, list),
  };
}

/** There is no list that may be served without asking upstream. */
export function notCached(): KeylaneError {
  const message = "No list is stored for this key: ask without `Cache-Control: only-if-cached`.";
  return new KeylaneError(problem(504, "not_cached", message));
}
