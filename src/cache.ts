import type { Fingerprint } from "./credential.ts";
import { isTransient, KeylaneError, problem } from "./errors.ts";
import { flights, GRACE_MS, type Errand } from "./flights.ts";
import { age, freshness, type Directives, type Freshness, type Lifetimes } from "./freshness.ts";
import type { CacheOutcome } from "./headers.ts";
import type { Log } from "./log.ts";
import { refusals, refused } from "./refusals.ts";
import type { CacheKey, Store, StoredList } from "./store.ts";
import { TIMED_OUT } from "./failures.ts";

export interface CacheSettings extends Lifetimes {
  readonly refusalMaxAgeMs: number;
  readonly listTimeoutMs: number;
}

/** One caller's question for one list. */
export interface Question extends Omit<Errand, "isStored" | "isKnown"> {
  readonly directives: Directives;
}

export interface Found {
  readonly list: StoredList;
  readonly outcome: CacheOutcome;
}

/** Knows when to ask, when to wait and when to serve what is held. */
export interface Cache {
  /** Answers a question. Throws a KeylaneError. */
  find(question: Question): Promise<Found>;
  /** Forgets everything held for a fingerprint; a flight under way cannot bring it back. */
  purge(fingerprint: Fingerprint): void;
  /** Counts a list again after a view of it was made. */
  recount(key: CacheKey, list: StoredList): void;
}

type Why = "uri-miss" | "stale" | "request";

// A tool that polls with no-cache costs its key one upstream call a second at most.
const NO_CACHE_INTERVAL_MS = 1000;

/** Makes the cache over a store. `now` gives milliseconds since the epoch. */
export function cache(store: Store, settings: CacheSettings, now: () => number, log: Log): Cache {
  const remembered = refusals(settings.refusalMaxAgeMs, now);
  const flying = flights(store, remembered, settings, now, log);

  async function find(question: Question): Promise<Found> {
    const { key, directives } = question;
    const stored = store.get(key);
    const state = stateOf(stored);
    const usable = usableOf(stored);
    if (directives.onlyIfCached) {
      if (usable === undefined) throw notCached();
      return held(usable);
    }
    if (directives.noStore) return ask(question, usable, "request");
    if (usable === undefined) return ask(question, undefined, stored === undefined ? "uri-miss" : "stale");
    if (isTooOld(usable, directives)) return ask(question, usable, "request");
    if (state === "fresh") return held(usable);
    return state === "stale-while-revalidate" ? refresh(question, usable) : ask(question, usable, "stale");
  }

  function stateOf(list: StoredList | undefined): Freshness {
    return list === undefined ? "expired" : freshness(age(list.storedAt, now()), lifetimesOf(list));
  }

  function usableOf(list: StoredList | undefined): StoredList | undefined {
    return stateOf(list) === "expired" ? undefined : list;
  }

  function refresh(question: Question, stale: StoredList): Found {
    if (remembered.active(question.key) !== undefined) return held(stale, "upstream-failed");
    flying.start({ ...question, isStored: true, isKnown: true });
    return held(stale, "refreshing");
  }

  async function ask(question: Question, usable: StoredList | undefined, why: Why): Promise<Found> {
    const refusal = remembered.active(question.key);
    if (refusal !== undefined) return fallBack(usable, refused(refusal, now()));
    const isStored = !question.directives.noStore;
    // With a list to fall back on nobody waits longer than is fair to a tool that has a limit of its own.
    const patienceMs = usable === undefined ? settings.listTimeoutMs + GRACE_MS : settings.listTimeoutMs / 2;
    const errand = { ...question, isStored, isKnown: usable !== undefined };
    const { landing, isCollapsed } = await flying.wait(errand, now() + patienceMs);
    // What was purged during the wait is nothing to fall back on any more, even where another list stands there since.
    const still = usable === undefined ? undefined : usableOf(store.get(question.key));
    if (landing === undefined) {
      if (still !== undefined) return held(still, "refreshing");
      throw new KeylaneError(TIMED_OUT, { "Retry-After": "1" });
    }
    if ("error" in landing) return fallBack(still, landing.error);
    return { list: landing.list, outcome: { by: "forward", why, isStored: landing.isStored, isCollapsed } };
  }

  // RFC 5861 §4 for 5xx and silence; 408, 425 and 429 say "not now" as well. Any other 4xx is an answer.
  function fallBack(usable: StoredList | undefined, error: KeylaneError): Found {
    if (usable === undefined || !isTransient(error.problem.status)) throw error;
    return held(usable, "upstream-failed");
  }

  function held(list: StoredList, detail?: "refreshing" | "upstream-failed"): Found {
    const ttlMs = lifetimesOf(list).maxAgeMs - age(list.storedAt, now());
    return { list, outcome: { by: "hit", ttlMs, ...(detail === undefined ? {} : { detail }) } };
  }

  function isTooOld(list: StoredList, { noCache, maxAgeMs }: Directives): boolean {
    const ageMs = age(list.storedAt, now());
    if (noCache || maxAgeMs === 0) return ageMs >= NO_CACHE_INTERVAL_MS;
    return maxAgeMs !== undefined && ageMs > maxAgeMs;
  }

  // An empty list may be the user's wish or upstream's slip: it is believed only as long as a refusal is.
  function lifetimesOf({ isEmpty }: StoredList): Lifetimes {
    if (!isEmpty) return settings;
    const maxAgeMs = Math.min(settings.maxAgeMs, settings.refusalMaxAgeMs);
    return { maxAgeMs, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 };
  }

  return {
    find,
    purge(fingerprint) {
      flying.ground(fingerprint);
      remembered.forget(fingerprint);
      store.purge(fingerprint);
    },
    recount: (key, list) => store.recount(key, list),
  };
}

/** There is no list that may be served without asking upstream. */
export function notCached(): KeylaneError {
  const message = "No list is stored for this key: ask without `Cache-Control: only-if-cached`.";
  return new KeylaneError(problem(504, "not_cached", message));
}
