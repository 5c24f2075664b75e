import { LRUCache } from "lru-cache";
import type { Fingerprint } from "../http/credential.ts";
import type { UpstreamFailure } from "../upstream/failures.ts";

/** The part of a 401 that may be kept: an error's stack would hold on to the credential. */
export type Revocation = Pick<UpstreamFailure, "kind" | "body">;

/**
 * One number per fingerprint, which a purge and a 401 raise. A fetch that began under an older number cannot store what
 * it brought, and cannot deliver it where a 401 came between.
 */
export interface Generations {
  current(fingerprint: Fingerprint): number;
  /** Voids all fetches in flight for a fingerprint; `revocation` is given where upstream refused the key. */
  advance(fingerprint: Fingerprint, revocation?: Revocation): void;
  /** The last 401 of a fingerprint since `generation`, even where a purge followed. */
  revokedSince(fingerprint: Fingerprint, generation: number): Revocation | undefined;
}

interface Generation {
  readonly number: number;
  readonly revocation: { readonly number: number; readonly failure: Revocation } | undefined;
}

const MAX_FINGERPRINTS = 5000;

export function createGenerations(): Generations {
  let last = 0;
  // The generation of every fingerprint without an entry. An evicted entry raises it: what was purged stays void, however
  // many other keys are purged in between, and some other fetches in flight are not stored.
  let minimum = 0;
  const generations = new LRUCache<Fingerprint, Generation>({
    max: MAX_FINGERPRINTS,
    dispose: ({ number }, _fingerprint, reason) => {
      if (reason === "evict") minimum = Math.max(minimum, number);
    },
  });
  return {
    current: (fingerprint) => generations.get(fingerprint)?.number ?? minimum,
    advance(fingerprint, failure) {
      const number = ++last;
      const earlier = generations.get(fingerprint)?.revocation;
      const revocation = failure && { number, failure: { kind: failure.kind, body: failure.body } };
      generations.set(fingerprint, { number, revocation: revocation ?? earlier });
    },
    revokedSince(fingerprint, generation) {
      const revocation = generations.get(fingerprint)?.revocation;
      return revocation !== undefined && revocation.number > generation ? revocation.failure : undefined;
    },
  };
}
