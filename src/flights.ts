import type { Fingerprint } from "./credential.ts";
import type { KeylaneError, UpstreamFailure } from "./errors.ts";
import type { Log } from "./log.ts";
import { refused, type Refusals } from "./refusals.ts";
import type { CacheKey, Store, StoredList } from "./store.ts";
import { asFailure } from "./failures.ts";

/** What a flight is to bring, and for whom. */
export interface Errand {
  readonly key: CacheKey;
  /** Asks upstream once. Throws an UpstreamFailure when there is no good list. */
  readonly ask: (isKnown: boolean, signal: AbortSignal) => Promise<StoredList>;
  /** Keeps the runtime awake for work that outlives the request. */
  readonly waitUntil: (work: Promise<unknown>) => void;
  /** Names the caller in the log. */
  readonly caller: string;
  readonly isStored: boolean;
  /** An answer to this question is held already: upstream knows this key. */
  readonly isKnown: boolean;
}

/** What a flight brought: shared by all who waited, so bytes or an error, never a Response. */
export type Landing =
  | { readonly list: StoredList; readonly isStored: boolean }
  | { readonly error: KeylaneError };

export interface Flights {
  /**
   * Waits until `deadline` (ms since the epoch) for the one flight of this cache key, which it starts where none is.
   * Gives undefined when the deadline comes first; the flight goes on.
   */
  wait(errand: Errand, deadline: number): Promise<{ landing: Landing | undefined; isCollapsed: boolean }>;
  /** Starts the flight where none is, and waits for nothing. */
  start(errand: Errand): void;
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
  log: Log,
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
      return arrived(flight, errand, await errand.ask(errand.isKnown, timeout.signal));
    } catch (fault) {
      return failed(flight, errand, asFailure(fault));
    } finally {
      clearTimeout(timer);
    }
  }

  function arrived(flight: Flight, { key, isStored }: Errand, list: StoredList): Landing {
    if (flight.isCurrent) {
      if (isStored) store.put(key, list);
      return { list, isStored };
    }
    // Another call learned meanwhile that the key is revoked: this answer comes from before that.
    const failure = flight.revoked ?? remembered.revokedSince(key, flight.startedAt)?.failure;
    if (failure === undefined) return { list, isStored: false };
    return { error: refused({ failure, retryAt: now() }, now()) };
  }

  function failed(flight: Flight, { key, caller }: Errand, failure: UpstreamFailure): Landing {
    log.warn({ caller, reason: failure.reason }, "list not fetched");
    // Also for a flight that another one has replaced: it asked after that list was stored.
    const isOlder = (store.get(key)?.storedAt ?? Infinity) < flight.startedAt;
    if (failure.kind === "rejected" && (flight.isCurrent || isOlder)) store.delete(key);
    if (failure.kind === "unauthorized") {
      ground(key.fingerprint, failure);
      store.purge(key.fingerprint);
    } else if (!flight.isCurrent || failure.kind === "unasked") {
      return { error: refused({ failure, retryAt: now() }, now()) };
    }
    return { error: refused(remembered.remember(key, failure), now()) };
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
    start: (errand) => void join(errand),
    ground: (fingerprint) => ground(fingerprint),
  };
}

// Anything longer would be over at once: the longest LIST_TIMEOUT is as long, and patience is a little longer.
const TIMER_MAX_MS = 2 ** 31 - 1;

/** Waits for work so long; gives undefined when the time is over, and the work goes on. */
export async function within<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), Math.min(Math.max(0, ms), TIMER_MAX_MS));
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
