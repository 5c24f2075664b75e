/** A place where requests wait until it is opened. */
export interface Gate {
  /** Resolves once the gate is open; throws when the signal aborts before. */
  pass(signal: AbortSignal): Promise<void>;
  /** Opens the gate for good. */
  release(): void;
  /** Resolves when the first request has come. */
  readonly arrived: Promise<void>;
}

/** Puts up a closed gate. */
export function createClosedGate(): Gate {
  const raw = Promise.withResolvers<void>();
  const opening = Promise.withResolvers<void>();
  return {
    arrived: raw.promise,
    release: opening.resolve,
    async pass(signal) {
      raw.resolve();
      signal.throwIfAborted();
      const { promise: left, reject } = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      await Promise.race([opening.promise, left]);
    },
  };
}
