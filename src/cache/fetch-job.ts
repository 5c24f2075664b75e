import { type ApiError, isTransient } from "../http/errors.ts";
import type { Clock } from "../http/freshness.ts";
import type { Log, LogFields } from "../observability/log.ts";
import { throttledLog } from "../observability/throttled-log.ts";
import type { SharedEntry } from "../storage/shared-store.ts";
import type { CacheKey, Store, StoredList } from "../storage/store.ts";
import { toUpstreamFailure, type UpstreamFailure } from "../upstream/failures.ts";
import type { Generations } from "./generations.ts";
import { toApiError, type NegativeCache } from "./negative-cache.ts";
import { loadFromPeers } from "./peer-fetch.ts";
import type { Flight } from "./single-flight.ts";

/** Input of one single-flight fetch. */
export interface FetchJob {
  readonly key: CacheKey;
  /** The fingerprint's generation when the job was made. */
  readonly generation: number;
  /** The list's entry in the store shared with peers, where there is one. */
  readonly shared: SharedEntry | undefined;
  /** Whether a peer's list will do; undefined where upstream must be asked. */
  readonly isAcceptable: ((list: StoredList) => boolean) | undefined;
  /** Fetches the list from upstream once. Throws an UpstreamFailure where there is no good list. */
  readonly fetchList: (hasStoredList: boolean, signal: AbortSignal) => Promise<StoredList>;
  /** Keeps the runtime awake for work that outlives the request. */
  readonly waitUntil: (work: Promise<unknown>) => void;
  /** Names the client in the log. */
  readonly caller: string;
  /** False for a request with `no-store`. */
  readonly isStored: boolean;
  /** Whether an older list of this cache key is stored: upstream knows the key. */
  readonly hasStoredList: boolean;
}

/** Shared by all who waited: bytes or an error, never a Response. */
export type FetchResult =
  | { readonly list: StoredList; readonly from: "upstream" | "peer"; readonly isStored: boolean }
  | { readonly error: ApiError };

export interface FetchJobDeps {
  readonly store: Store;
  readonly negativeCache: NegativeCache;
  readonly generations: Generations;
  /** The time of one list fetch, its wait for a slot included. */
  readonly listTimeoutMs: number;
  readonly now: Clock;
  readonly log: Log;
}

/**
 * Makes the function that runs one fetch: peers first, then upstream; it stores the list, or removes what the failure
 * voids. It never rejects.
 */
export function createFetchRunner(deps: FetchJobDeps): (job: FetchJob, flight: Flight) => Promise<FetchResult> {
  const { store, negativeCache, generations, listTimeoutMs, now } = deps;
  const failureLog = fetchFailureLog(now, deps.log);
  return async (job, flight) => {
    const { key, generation, shared, isAcceptable } = job;
    const startedAt = now();
    const isCurrent = () => !flight.isSuperseded && generations.current(key.fingerprint) === generation;
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), listTimeoutMs);
    try {
      return (await fromPeers()) ?? onFetched(await job.fetchList(job.hasStoredList, timeout.signal));
    } catch (error) {
      const failure = toUpstreamFailure(error);
      return (await fromPeersAfter(failure)) ?? (await onFailed(failure));
    } finally {
      clearTimeout(timer);
    }

    async function fromPeers(): Promise<FetchResult | undefined> {
      if (shared === undefined || isAcceptable === undefined) return undefined;
      const found = await loadFromPeers(shared, isAcceptable, startedAt + listTimeoutMs / 2, now);
      const result = found.list && storePeerList(found.list);
      return found.isAcceptable ? result : undefined;
    }

    // Upstream has failed here; it may have answered a peer meanwhile.
    async function fromPeersAfter(failure: UpstreamFailure): Promise<FetchResult | undefined> {
      if (shared === undefined || !isTransient(failure.body.status)) return undefined;
      const list = await shared.get();
      if (list === undefined || isAcceptable?.(list) !== true) return undefined;
      await shared.unlock();
      return storePeerList(list);
    }

    function storePeerList(list: StoredList): FetchResult {
      const isNewer = list.storedAt > (store.get(key)?.storedAt ?? -1);
      if (isNewer && isCurrent()) store.put(key, list);
      return toResult({ list, from: "peer", isStored: true });
    }

    function onFetched(list: StoredList): FetchResult {
      failureLog.recovered();
      const isKept = job.isStored && isCurrent();
      if (isKept) store.put(key, list);
      if (shared !== undefined && job.isStored) {
        const written = isKept ? shared.set(list, startedAt) : Promise.resolve();
        job.waitUntil(written.then(() => shared.unlock()));
      }
      return toResult({ list, from: "upstream", isStored: isKept });
    }

    // A purge during the fetch keeps the list from being stored, not from the clients that asked before the purge.
    function toResult(result: Extract<FetchResult, { list: StoredList }>): FetchResult {
      if (isCurrent()) return result;
      const failure = generations.revokedSince(key.fingerprint, generation);
      if (failure === undefined) return { ...result, isStored: false };
      return { error: toApiError({ failure, retryAt: now() }, now()) };
    }

    async function onFailed(failure: UpstreamFailure): Promise<FetchResult> {
      failureLog.failure(failure, job.caller);
      const isRevoked = failure.kind === "unauthorized";
      // A superseded fetch counts too where it began after that list was stored.
      const isOlder = (store.get(key)?.storedAt ?? Infinity) < startedAt;
      const isRejected = failure.kind === "rejected" && (isCurrent() || isOlder);
      const isRemembered = isRevoked || (isCurrent() && failure.kind !== "not_attempted");
      if (isRevoked) {
        generations.advance(key.fingerprint, failure);
        store.purge(key.fingerprint);
      } else if (isRejected) store.delete(key);
      const entry = isRemembered ? negativeCache.set(key, failure) : { failure, retryAt: now() };
      // The peers' lists go before the response does: a client that has seen it finds nothing anywhere.
      if (isRevoked) await shared?.purge();
      else if (isRejected) await shared?.delete();
      await shared?.unlock();
      return { error: toApiError(entry, now()) };
    }
  };
}

/** Logs failed list fetches, throttled. */
export interface FetchFailureLog {
  failure(failure: UpstreamFailure, caller: string): void;
  recovered(): void;
}

/** A failure of one key (401, 429, …) ends for no other key: a good list ends only upstream's own failures. */
export function fetchFailureLog(now: Clock, log: Log): FetchFailureLog {
  const warn = (fields: LogFields) => log.warn(fields, "model list fetch failed");
  const upstreamLog = throttledLog(now, warn, (fields) => log.info(fields, "model list fetch recovered"));
  const keyLog = throttledLog(now, warn);
  return {
    failure({ body, reason }, caller) {
      (body.status >= 500 ? upstreamLog : keyLog).failure(reason, { caller, reason });
    },
    recovered: () => upstreamLog.recovered(),
  };
}
