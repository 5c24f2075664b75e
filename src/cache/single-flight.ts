import type { Fingerprint } from "../http/credential.ts";
import type { Errand, Landing } from "./fetch-job.ts";
import { isTransient } from "../http/errors.ts";
import { askNeighbours } from "./peer-fetch.ts";
import { refused, type Refusals } from "./negative-cache.ts";
import { within } from "../async/timeout.ts";
import type { CacheKey, Store, StoredList } from "../storage/store.ts";
import { asFailure, type UpstreamFailure, type FetchTroubles } from "../upstream/failures.ts";

export interface Flights {
  /**
   * Waits until `deadline` (ms since the epoch) for the one flight of this cache key, which it starts where none is.
   * Gives undefined when the deadline comes first; the flight goes on.
   */
  wait(errand: Errand, deadline: number): Promise<{ landing: Landing | undefined; isCollapsed: boolean }>;
  /** Starts the flight where none is, and gives its landing. */
  start(errand: Errand): Promise<Landing> | undefined;
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
  readonly landing: Promise<Landing>;
  /** False once a purge came between, or another flight took over. */
  isCurrent: boolean;
  /** Why the key was refused while this flight was under way. */
  revoked: UpstreamFailure | undefined;
}

/** A flight still silent so long after its deadline belongs to a request that died, as requests on Workers can. */
export const GRACE_MS = 200;

export function flights(
  store: Store,
  remembered: Refusals,
  { listTimeoutMs }: FlightSettings,
  now: () => number,
  troubles: FetchTroubles,
): Flights {
  const underWay = new Map<string, Flight>();

  function join(errand: Errand): { flight: Flight; isCollapsed: boolean } {
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

  async function fly(flight: Flight, errand: Errand): Promise<Landing> {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), listTimeoutMs);
    try {
      const neighbours = await fromNeighbour(flight, errand);
      return neighbours ?? arrived(flight, errand, await errand.ask(errand.isKnown, timeout.signal));
    } catch (fault) {
      const failure = asFailure(fault);
      return (await rescued(flight, errand, failure)) ?? (await failed(flight, errand, failure));
    } finally {
      clearTimeout(timer);
    }
  }

  async function fromNeighbour(flight: Flight, errand: Errand): Promise<Landing | undefined> {
    const { key, shared, isEnough } = errand;
    if (shared === undefined || isEnough === undefined) return undefined;
    const word = await askNeighbours(shared, isEnough, flight.startedAt + listTimeoutMs / 2, now);
    const landing = word.list && adopted(flight, key, word.list);
    return word.isEnough ? landing : undefined;
  }

  // Upstream has failed here; it may have answered a neighbour meanwhile.
  async function rescued(
    flight: Flight,
    errand: Errand,
    failure: UpstreamFailure,
  ): Promise<Landing | undefined> {
    const { key, shared, isEnough } = errand;
    if (shared === undefined || !isTransient(failure.problem.status)) return undefined;
    const list = await shared.look();
    if (list === undefined || isEnough?.(list) !== true) return undefined;
    await shared.release();
    return adopted(flight, key, list);
  }

  function adopted(flight: Flight, key: CacheKey, list: StoredList): Landing {
    const isNewer = list.storedAt > (store.get(key)?.storedAt ?? -1);
    if (isNewer && flight.isCurrent) store.put(key, list);
    return delivered(flight, key, { list, from: "neighbour", isStored: true });
  }

  function arrived(flight: Flight, { key, shared, isStored, waitUntil }: Errand, list: StoredList): Landing {
    troubles.well();
    const isKept = flight.isCurrent && isStored;
    if (isKept) store.put(key, list);
    if (shared !== undefined && isStored) {
      const kept = isKept ? shared.keep(list, flight.startedAt) : Promise.resolve();
      waitUntil(kept.then(() => shared.release()));
    }
    return delivered(flight, key, { list, from: "upstream", isStored: isKept });
  }

  function delivered(
    flight: Flight,
    key: CacheKey,
    brought: Extract<Landing, { list: StoredList }>,
  ): Landing {
    if (flight.isCurrent) return brought;
    // Another call learned meanwhile that the key is revoked: this answer comes from before that.
    const failure = flight.revoked ?? remembered.revokedSince(key, flight.startedAt)?.failure;
    if (failure === undefined) return { ...brought, isStored: false };
    return { error: refused({ failure, retryAt: now() }, now()) };
  }

  async function failed(
    flight: Flight,
    { key, shared, caller }: Errand,
    failure: UpstreamFailure,
  ): Promise<Landing> {
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
    const refusal = isRemembered ? remembered.remember(key, failure) : { failure, retryAt: now() };
    // The neighbours' lists go before the answer does: who has seen it finds nothing anywhere.
    if (isRevoked) await shared?.purge();
    else if (isRejected) await shared?.forget();
    await shared?.release();
    return { error: refused(refusal, now()) };
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
        const landing = await within(flight.landing, Math.min(deadline, overdueAt) - now());
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
