/** Lets at most so many pieces of work be under way at a time; the others wait their turn, first come first served. */
export interface Bulkhead {
  /**
   * Waits for a place and gives the function that gives it back. Rejects with the signal's reason when that comes first.
   * A place is lost after `leaseMs`, given back or not.
   */
  enter(signal: AbortSignal, leaseMs: number): Promise<() => void>;
}

/**
 * Makes a bulkhead of `places`. Written here instead of taken from p-limit because of Workers: there a request can be
 * cancelled so that neither its callbacks nor its timers ever run, and the place it held would be gone for ever.
 */
export function bulkhead(places: number, now: () => number): Bulkhead {
  const leases = new Set<{ readonly until: number }>();
  const waiting: (() => void)[] = [];

  function wakeNext(): void {
    while (leases.size < places && waiting.length > 0) waiting.shift()?.();
  }

  function take(leaseMs: number): () => void {
    const lease = { until: now() + leaseMs };
    leases.add(lease);
    return () => {
      if (leases.delete(lease)) wakeNext();
    };
  }

  return {
    async enter(signal, leaseMs) {
      signal.throwIfAborted();
      for (const lease of leases) if (lease.until <= now()) leases.delete(lease);
      if (leases.size < places && waiting.length === 0) return take(leaseMs);
      return new Promise((resolve, reject) => {
        const wake = () => {
          signal.removeEventListener("abort", leave);
          resolve(take(leaseMs));
        };
        const leave = () => {
          waiting.splice(waiting.indexOf(wake), 1);
          reject(signal.reason);
        };
        signal.addEventListener("abort", leave, { once: true });
        waiting.push(wake);
        wakeNext();
      });
    },
  };
}
