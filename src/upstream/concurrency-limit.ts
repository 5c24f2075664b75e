/** Who wants a place. */
export interface Guest {
  /** Guests of one name hold a quarter of the places at most. */
  readonly name: string;
  /** A list of this guest's is held already: he goes before those whom upstream may not know at all. */
  readonly isKnown: boolean;
}

/**
 * Lets at most so many pieces of work be under way at a time; the others wait their turn: known guests first, then first
 * come first served.
 */
export interface Bulkhead {
  /**
   * Waits for a place and gives the function that gives it back. Rejects with the signal's reason when that comes first.
   * A place is lost after `leaseMs`, given back or not, and so is a turn that has not come by then.
   */
  enter(guest: Guest, signal: AbortSignal, leaseMs: number): Promise<() => void>;
}

interface Lease {
  readonly name: string;
  readonly until: number;
}

interface Turn {
  readonly guest: Guest;
  readonly until: number;
}

// One caller with endless questions must leave places to the others.
const LARGEST_PART = 4;

/**
 * Makes a bulkhead of `places`. Written here instead of taken from p-limit because of Workers: there a request can be
 * cancelled so that neither its callbacks nor its timers ever run, and the place it held would be gone for ever.
 */
export function bulkhead(places: number, now: () => number): Bulkhead {
  const leases = new Set<Lease>();
  const known = new Map<() => void, Turn>();
  const others = new Map<() => void, Turn>();
  const most = Math.ceil(places / LARGEST_PART);

  function isFree({ name }: Guest): boolean {
    let own = 0;
    for (const lease of leases) if (lease.name === name) own++;
    return leases.size < places && own < most;
  }

  function wakeNext(): void {
    // Counted once for each name: thousands of turns can be those of one guest.
    const isNameFree = new Map<string, boolean>();
    for (const queue of [known, others]) {
      for (const [wake, { guest, until }] of queue) {
        if (leases.size >= places) return;
        const isOver = until < now();
        const isNext = isNameFree.get(guest.name) ?? isFree(guest);
        isNameFree.set(guest.name, isNext);
        if (!isOver && !isNext) continue;
        queue.delete(wake);
        // A request that died in the queue would take a place with it.
        if (isOver) continue;
        wake();
        isNameFree.delete(guest.name);
      }
    }
  }

  // Whether places were lost to those who never gave them back.
  function hasLost(): boolean {
    let lost = false;
    for (const lease of leases) if (lease.until <= now()) lost = leases.delete(lease) || lost;
    return lost;
  }

  function take({ name }: Guest, leaseMs: number): () => void {
    const lease = { name, until: now() + leaseMs };
    leases.add(lease);
    return () => {
      if (leases.delete(lease)) wakeNext();
    };
  }

  return {
    async enter(guest, signal, leaseMs) {
      signal.throwIfAborted();
      if (hasLost()) wakeNext();
      // Whoever waits still has no place to go to: nobody is overtaken, and the queue need not be walked for each guest.
      if (isFree(guest)) return take(guest, leaseMs);
      const queue = guest.isKnown ? known : others;
      const { promise, resolve, reject } = Promise.withResolvers<() => void>();
      // Called by whoever leaves: on Workers that is another request, which may touch nothing here but the promise.
      const wake = () => resolve(take(guest, leaseMs));
      const giveUp = () => {
        queue.delete(wake);
        reject(signal.reason);
      };
      signal.addEventListener("abort", giveUp, { once: true });
      queue.set(wake, { guest, until: now() + leaseMs });
      return promise.finally(() => signal.removeEventListener("abort", giveUp));
    },
  };
}
