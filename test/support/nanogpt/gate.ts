/** Makes requests wait until it is opened. */
export interface Gate {
  /** Resolves once the gate is open; rejects if the signal aborts first. */
  pass(signal: AbortSignal): Promise<void>;
  /** Opens the gate permanently. */
  release(): void;
  /** Resolves when the first request has arrived. */
  readonly arrived: Promise<void>;
}

/** Creates a closed gate. */
export function createClosedGate(): Gate {
  const first = Promise.withResolvers<void>();
  const opening = Promise.withResolvers<void>();
  return {
    arrived: first.promise,
    release: opening.resolve,
    async pass(signal) {
      first.resolve();
      signal.throwIfAborted();
      const { promise: aborted, reject } = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      await Promise.race([opening.promise, aborted]);
    },
  };
}
