import type { Fingerprint } from "../http/credential.ts";
import type { FetchJob, FetchResult } from "./fetch-job.ts";
import { isTransient } from "../http/errors.ts";
import { loadFromPeers } from "./peer-fetch.ts";
import { toApiError, type NegativeCache } from "./negative-cache.ts";
import { withTimeout } from "../async/timeout.ts";
import type { CacheKey, Store, StoredList } from "../storage/store.ts";
import { toUpstreamFailure, type UpstreamFailure, type FetchFailureLog } from "../upstream/failures.ts";

export interface Flights {
  /**
   * Waits until `deadline` (ms since the epoch) for the one flight of this cache key, which it starts where none is.
   * Gives undefined when the deadline comes first; the flight goes on.
   */
  wait(
    errand: FetchJob,
    deadline: number,
  ): Promise<{ landing: FetchResult | undefined; isCollapsed: boolean }>;
  /** Starts the flight where none is, and gives its landing. */
  start(errand: FetchJob): Promise<FetchResult> | undefined;
  /** Makes sure that no flight under way for this fingerprint can keep what it brings. */
  ground(fingerprint: Fingerprint): void;
}

export interface FlightSettings {
  /** All the time one list fetch has, its turn in the queue included. */
  readonly listTimeoutMs: number;
}

interface Flight {
  readonly name: string;
  readonly fingerprint: Fingerprint;
  readonly startedAt: number;
  readonly deadline: number;
  readonly landing: Promise<FetchResult>;
  /** False once a purge came between, or another flight took over. */
  isCurrent: boolean;
  /** Why the key was refused while this flight was under way. */
  revoked: UpstreamFailure | undefined;
}

/** A flight still silent so long after its deadline belongs to a request that died, as requests on Workers can. */
export const GRACE_MS = 200;

export function flights(
  store: Store,
  remembered: NegativeCache,
  { listTimeoutMs }: FlightSettings,
  now: () => number,
  troubles: FetchFailureLog,
): Flights {
  const underWay = new Map<string, Flight>();

  function join(errand: FetchJob): { flight: Flight; isCollapsed: boolean } {
    const name = `${errand.key.fingerprint} ${errand.key.variant} ${errand.isStored ? "" : "no-store"}`;
    const known = underWay.get(name);
    if (known !== undefined && now() < known.deadline + GRACE_MS) return { flight: known, isCollapsed: true };
    if (known !== undefined) overtake(known);
    const flight: Flight = {
      name,
      fingerprint: errand.key.fingerprint,
      startedAt: now(),
      deadline: now() + listTimeoutMs,
      landing: Promise.resolve()
        .then(() => fly(flight, errand))
        .finally(() => drop(flight)),
      isCurrent: true,
      revoked: undefined,
    };
    underWay.set(name, flight);
    // From the first moment: a caller who leaves must not take the flight with him.
    errand.waitUntil(flight.landing);
    return { flight, isCollapsed: false };
  }

  async function fly(flight: Flight, errand: FetchJob): Promise<FetchResult> {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), listTimeoutMs);
    try {
      const neighbours = await fromNeighbour(flight, errand);
      return (
        neighbours ?? arrived(flight, errand, await errand.fetchList(errand.hasStoredList, timeout.signal))
      );
    } catch (fault) {
      const failure = toUpstreamFailure(fault);
      return (await rescued(flight, errand, failure)) ?? (await failed(flight, errand, failure));
    } finally {
      clearTimeout(timer);
    }
  }

  async function fromNeighbour(flight: Flight, errand: FetchJob): Promise<FetchResult | undefined> {
    const { key, shared, isAcceptable } = errand;
    if (shared === undefined || isAcceptable === undefined) return undefined;
    const word = await loadFromPeers(shared, isAcceptable, flight.startedAt + listTimeoutMs / 2, now);
    const landing = word.list && adopted(flight, key, word.list);
    return word.isEnough ? landing : undefined;
  }

  // Upstream has failed here; it may have answered a neighbour meanwhile.
  async function rescued(
    flight: Flight,
    errand: FetchJob,
    failure: UpstreamFailure,
  ): Promise<FetchResult | undefined> {
    const { key, shared, isAcceptable } = errand;
    if (shared === undefined || !isTransient(failure.body.status)) return undefined;
    const list = await shared.get();
    if (list === undefined || isAcceptable?.(list) !== true) return undefined;
    await shared.unlock();
    return adopted(flight, key, list);
  }

  function adopted(flight: Flight, key: CacheKey, list: StoredList): FetchResult {
    const isNewer = list.storedAt > (store.get(key)?.storedAt ?? -1);
    if (isNewer && flight.isCurrent) store.put(key, list);
    return delivered(flight, key, { list, from: "neighbour", isStored: true });
  }

  function arrived(
    flight: Flight,
    { key, shared, isStored, waitUntil }: FetchJob,
    list: StoredList,
  ): FetchResult {
    troubles.well();
    const isKept = flight.isCurrent && isStored;
    if (isKept) store.put(key, list);
    if (shared !== undefined && isStored) {
      const kept = isKept ? shared.set(list, flight.startedAt) : Promise.resolve();
      waitUntil(kept.then(() => shared.unlock()));
    }
    return delivered(flight, key, { list, from: "upstream", isStored: isKept });
  }

  function delivered(
    flight: Flight,
    key: CacheKey,
    brought: Extract<FetchResult, { list: StoredList }>,
  ): FetchResult {
    if (flight.isCurrent) return brought;
    // Another call learned meanwhile that the key is revoked: this answer comes from before that.
    const failure = flight.revoked ?? remembered.revokedSince(key, flight.startedAt)?.failure;
    if (failure === undefined) return { ...brought, isStored: false };
    return { error: toApiError({ failure, retryAt: now() }, now()) };
  }

  async function failed(
    flight: Flight,
    { key, shared, caller }: FetchJob,
    failure: UpstreamFailure,
  ): Promise<FetchResult> {
    troubles.failed(failure, caller);
    const isOurs = flight.isCurrent;
    const isRevoked = failure.kind === "unauthorized";
    // Also for a flight that another one has replaced: it asked after that list was stored.
    const isOlder = (store.get(key)?.storedAt ?? Infinity) < flight.startedAt;
    const isRejected = failure.kind === "rejected" && (isOurs || isOlder);
    if (isRevoked) {
      ground(key.fingerprint, failure);
      store.purge(key.fingerprint);
    } else if (isRejected) store.delete(key);
    const isRemembered = isRevoked || (isOurs && failure.kind !== "unasked");
    const refusal = isRemembered ? remembered.set(key, failure) : { failure, retryAt: now() };
    // The neighbours' lists go before the answer does: who has seen it finds nothing anywhere.
    if (isRevoked) await shared?.purge();
    else if (isRejected) await shared?.delete();
    await shared?.unlock();
    return { error: toApiError(refusal, now()) };
  }

  function ground(fingerprint: Fingerprint, revoked?: UpstreamFailure): void {
    for (const flight of underWay.values()) {
      if (flight.fingerprint !== fingerprint) continue;
      flight.revoked = revoked;
      overtake(flight);
    }
  }

  // Out of sight no purge can reach it: it must not keep what it brings.
  function overtake(flight: Flight): void {
    flight.isCurrent = false;
    drop(flight);
  }

  function drop(flight: Flight): void {
    if (underWay.get(flight.name) === flight) underWay.delete(flight.name);
  }

  return {
    async wait(errand, deadline) {
      for (;;) {
        const { flight, isCollapsed } = join(errand);
        const overdueAt = flight.deadline + GRACE_MS;
        const landing = await withTimeout(flight.landing, Math.min(deadline, overdueAt) - now());
        // Not judged by the clock, which may be a millisecond behind the timer: a flight would be overtaken too early.
        if (landing !== undefined || deadline <= overdueAt) return { landing, isCollapsed };
        // The flight is overdue: whoever notices first takes over.
        overtake(flight);
      }
    },
    start(errand) {
      const { flight, isCollapsed } = join(errand);
      return isCollapsed ? undefined : flight.landing;
    },
    ground: (fingerprint) => ground(fingerprint),
  };
}
