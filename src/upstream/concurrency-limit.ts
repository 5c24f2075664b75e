import type { Clock } from "../http/freshness.ts";

/** A request for a slot. */
export interface Waiter {
  /** Waiters with the same key get at most a quarter of the slots. */
  readonly key: string;
  /** Gets a slot before waiters without priority. For keys with a stored list, since upstream has accepted them. */
  readonly hasPriority: boolean;
}

/** Limits how many tasks run at a time. The others wait in a queue, those with priority first. */
export interface ConcurrencyLimiter {
  /**
   * Waits for a slot and gives the function that releases it. Rejects with the signal's reason if that aborts first.
   * After `leaseMs` the slot is reclaimed, or the waiter removed from the queue.
   */
  acquire(waiter: Waiter, signal: AbortSignal, leaseMs: number): Promise<() => void>;
}

interface QueueEntry {
  readonly waiter: Waiter;
  readonly until: number;
}

// One client with many requests must leave slots to the others.
const MAX_SHARE = 1 / 4;

/**
 * Creates a limiter with `slots` slots. Not p-limit, because of Workers: a request cancelled there runs neither its
 * callbacks nor its timers, so it would never release its slot.
 */
export function createConcurrencyLimiter(slots: number, now: Clock): ConcurrencyLimiter {
  const leases = new Set<{ readonly key: string; readonly until: number }>();
  const priorityQueue = new Map<() => void, QueueEntry>();
  const queue = new Map<() => void, QueueEntry>();
  const maxPerKey = Math.ceil(slots * MAX_SHARE);

  function isFree({ key }: Waiter): boolean {
    let leasesOfKey = 0;
    for (const lease of leases) if (lease.key === key) leasesOfKey++;
    return leases.size < slots && leasesOfKey < maxPerKey;
  }

  function wakeNext(): void {
    // Computed once per key: thousands of waiters can have the same one.
    const freeByKey = new Map<string, boolean>();
    for (const entries of [priorityQueue, queue]) {
      for (const [wake, { waiter, until }] of entries) {
        if (leases.size >= slots) return;
        const isExpired = until < now();
        const isEligible = freeByKey.get(waiter.key) ?? isFree(waiter);
        freeByKey.set(waiter.key, isEligible);
        if (!isExpired && !isEligible) continue;
        entries.delete(wake);
        // Its request was probably cancelled and would never release the slot.
        if (isExpired) continue;
        wake();
        freeByKey.delete(waiter.key);
      }
    }
  }

  /** Reclaims the slots that requests never released; gives whether there were any. */
  function reclaimExpired(): boolean {
    let isReclaimed = false;
    for (const lease of leases) if (lease.until <= now()) isReclaimed = leases.delete(lease) || isReclaimed;
    return isReclaimed;
  }

  function take({ key }: Waiter, leaseMs: number): () => void {
    const lease = { key, until: now() + leaseMs };
    leases.add(lease);
    return () => {
      if (leases.delete(lease)) wakeNext();
    };
  }

  return {
    async acquire(waiter, signal, leaseMs) {
      signal.throwIfAborted();
      if (reclaimExpired()) wakeNext();
      // If a slot is free no waiter is eligible for it, so this overtakes none.
      if (isFree(waiter)) return take(waiter, leaseMs);
      const entries = waiter.hasPriority ? priorityQueue : queue;
      const { promise, resolve, reject } = Promise.withResolvers<() => void>();
      // The request that releases a slot calls this. On Workers it must not use the I/O of the waiting request.
      const wake = () => resolve(take(waiter, leaseMs));
      const giveUp = () => {
        entries.delete(wake);
        reject(signal.reason);
      };
      signal.addEventListener("abort", giveUp, { once: true });
      entries.set(wake, { waiter, until: now() + leaseMs });
      return promise.finally(() => signal.removeEventListener("abort", giveUp));
    },
  };
}
