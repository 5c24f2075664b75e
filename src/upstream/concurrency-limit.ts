/** Who wants a place. */
export interface Waiter {
  /** Guests of one name hold a quarter of the places at most. */
  readonly key: string;
  /** A list of this guest's is held already: he goes before those whom upstream may not know at all. */
  readonly hasPriority: boolean;
}

/**
 * Lets at most so many pieces of work be under way at a time; the others wait their turn: known guests first, then first
 * come first served.
 */
export interface ConcurrencyLimiter {
  /**
   * Waits for a place and gives the function that gives it back. Rejects with the signal's reason when that comes first.
   * A place is lost after `leaseMs`, given back or not, and so is a turn that has not come by then.
   */
  acquire(guest: Waiter, signal: AbortSignal, leaseMs: number): Promise<() => void>;
}

interface Lease {
  readonly key: string;
  readonly until: number;
}

interface QueueEntry {
  readonly guest: Waiter;
  readonly until: number;
}

// One caller with endless questions must leave places to the others.
const MAX_SHARE = 4;

/**
 * Makes a bulkhead of `places`. Written here instead of taken from p-limit because of Workers: there a request can be
 * cancelled so that neither its callbacks nor its timers ever run, and the place it held would be gone for ever.
 */
export function createConcurrencyLimiter(slots: number, now: () => number): ConcurrencyLimiter {
  const leases = new Set<Lease>();
  const known = new Map<() => void, QueueEntry>();
  const others = new Map<() => void, QueueEntry>();
  const most = Math.ceil(slots / MAX_SHARE);

  function isFree({ key }: Waiter): boolean {
    let own = 0;
    for (const lease of leases) if (lease.key === key) own++;
    return leases.size < slots && own < most;
  }

  function wakeNext(): void {
    // Counted once for each name: thousands of turns can be those of one guest.
    const isNameFree = new Map<string, boolean>();
    for (const queue of [known, others]) {
      for (const [wake, { guest, until }] of queue) {
        if (leases.size >= slots) return;
        const isOver = until < now();
        const isNext = isNameFree.get(guest.key) ?? isFree(guest);
        isNameFree.set(guest.key, isNext);
        if (!isOver && !isNext) continue;
        queue.delete(wake);
        // A request that died in the queue would take a place with it.
        if (isOver) continue;
        wake();
        isNameFree.delete(guest.key);
      }
    }
  }

  // Whether places were lost to those who never gave them back.
  function reclaimExpired(): boolean {
    let lost = false;
    for (const lease of leases) if (lease.until <= now()) lost = leases.delete(lease) || lost;
    return lost;
  }

  function take({ key }: Waiter, leaseMs: number): () => void {
    const lease = { key, until: now() + leaseMs };
    leases.add(lease);
    return () => {
      if (leases.delete(lease)) wakeNext();
    };
  }

  return {
    async acquire(guest, signal, leaseMs) {
      signal.throwIfAborted();
      if (reclaimExpired()) wakeNext();
      // Whoever waits still has no place to go to: nobody is overtaken, and the queue need not be walked for each guest.
      if (isFree(guest)) return take(guest, leaseMs);
      const queue = guest.hasPriority ? known : others;
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
