import type { Clock } from "../http/freshness.ts";
/** A request for a slot. */
export interface Waiter {
  /** Waiters of one key hold a quarter of the slots at most. */
  readonly key: string;
  /** A list of this key is stored, so upstream knows the key: it goes before keys that may be invalid. */
  readonly hasPriority: boolean;
}

/** Limits how many pieces of work run at a time; the others wait: priority first, then in the order of arrival. */
export interface ConcurrencyLimiter {
  /**
   * Waits for a slot and gives the function that releases it. Rejects with the signal's reason when that aborts first. A
   * slot is reclaimed after `leaseMs`, and a waiter is dropped that has no slot by then.
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
 * Written here instead of taken from p-limit because of Workers: there a request can be cancelled so that neither its
 * callbacks nor its timers ever run, and its slot would be lost for ever.
 */
export function createConcurrencyLimiter(slots: number, now: Clock): ConcurrencyLimiter {
  const leases = new Set<{ readonly key: string; readonly until: number }>();
  const priorityQueue = new Map<() => void, QueueEntry>();
  const queue = new Map<() => void, QueueEntry>();
  const maxPerKey = Math.ceil(slots * MAX_SHARE);

  function isFree({ key }: Waiter): boolean {
    let own = 0;
    for (const lease of leases) if (lease.key === key) own++;
    return leases.size < slots && own < maxPerKey;
  }

  function wakeNext(): void {
    // Computed once per key: thousands of waiters can have the same one.
    const freeByKey = new Map<string, boolean>();
    for (const entries of [priorityQueue, queue]) {
      for (const [wake, { waiter, until }] of entries) {
        if (leases.size >= slots) return;
        const isExpired = until < now();
        const isNext = freeByKey.get(waiter.key) ?? isFree(waiter);
        freeByKey.set(waiter.key, isNext);
        if (!isExpired && !isNext) continue;
        entries.delete(wake);
        // A request that died in the queue would take a slot with it.
        if (isExpired) continue;
        wake();
        freeByKey.delete(waiter.key);
      }
    }
  }

  // Whether slots were reclaimed from requests that never released them.
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
      // If a slot is free, no earlier waiter was eligible for it, so this cannot overtake one.
      if (isFree(waiter)) return take(waiter, leaseMs);
      const entries = waiter.hasPriority ? priorityQueue : queue;
      const { promise, resolve, reject } = Promise.withResolvers<() => void>();
      // Called by the releasing request: on Workers that is another one, which may touch nothing here but the promise.
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
