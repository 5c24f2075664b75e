import { LRUCache } from "lru-cache";
import type { Fingerprint } from "../http/credential.ts";
import { ApiError, isTransient } from "../http/errors.ts";
import type { Clock } from "../http/freshness.ts";
import { MAX_VARIANTS, type CacheKey } from "../storage/store.ts";
import type { UpstreamFailure } from "../upstream/failures.ts";

/** A remembered failure: until `until` it is the answer to that key, without an upstream call. Instants in ms since the epoch. */
export interface NegativeEntry {
  readonly failure: Pick<UpstreamFailure, "kind" | "body">;
  readonly since: number;
  readonly until: number;
  /** When a further request may succeed, as far as upstream said. */
  readonly retryAt: number;
}

/** Remembers failed fetches for a short while. Bounded by fingerprints, so that a flood of wrong keys costs no memory. */
export interface NegativeCache {
  set(key: CacheKey, failure: UpstreamFailure): NegativeEntry;
  get(key: CacheKey): NegativeEntry | undefined;
  delete(fingerprint: Fingerprint): void;
}

const MAX_FINGERPRINTS = 5000;
const MAX_RETRY_AFTER_MS = 60_000;
// A 401 is about the key and a 429 about all its requests, whatever list was asked for.
const WHOLE_KEY_STATUSES = new Set([401, 429]);
const ANY_VARIANT = "";

/** `maxAgeMs` is REFUSAL_MAX_AGE, which a Retry-After from upstream lengthens to one minute at most. */
export function createNegativeCache(maxAgeMs: number, now: Clock): NegativeCache {
  const entries = new LRUCache<Fingerprint, Map<string, NegativeEntry>>({ max: MAX_FINGERPRINTS });
  return {
    set({ fingerprint, variant }, { kind, body, retryAfterMs = 0 }) {
      const since = now();
      const until = since + Math.max(maxAgeMs, Math.min(retryAfterMs, MAX_RETRY_AFTER_MS));
      // Not the error itself: its stack references the functions it went through, and they the credential.
      const entry = {
        failure: { kind, body },
        since,
        until,
        retryAt: Math.max(until, since + retryAfterMs),
      };
      const byVariant = entries.get(fingerprint) ?? new Map<string, NegativeEntry>();
      const name = WHOLE_KEY_STATUSES.has(body.status) ? ANY_VARIANT : variant;
      byVariant.delete(name);
      byVariant.set(name, entry);
      const [oldest] = byVariant.keys();
      if (byVariant.size > MAX_VARIANTS && oldest !== undefined) byVariant.delete(oldest);
      entries.set(fingerprint, byVariant);
      return entry;
    },
    get({ fingerprint, variant }) {
      const byVariant = entries.get(fingerprint);
      const found = [byVariant?.get(ANY_VARIANT), byVariant?.get(variant)];
      return found.find((entry) => entry !== undefined && isActive(entry, now()));
    },
    delete: (fingerprint) => void entries.delete(fingerprint),
  };
}

// A clock that steps back ends an entry: it must not last for as long as the step was wide.
function isActive({ since, until }: NegativeEntry, now: number): boolean {
  return since <= now && now < until;
}

/** The error that a client gets; Retry-After, in whole seconds, where waiting helps. */
export function toApiError({ failure, retryAt }: Pick<NegativeEntry, "failure" | "retryAt">, now: number): ApiError {
  const { status } = failure.body;
  const headers: Record<string, string> = {};
  if (status === 401) headers["WWW-Authenticate"] = "Bearer";
  if (isTransient(status)) headers["Retry-After"] = String(Math.max(1, Math.ceil((retryAt - now) / 1000)));
  return new ApiError(failure.body, headers);
}
