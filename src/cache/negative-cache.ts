import { LRUCache } from "lru-cache";
import { isTransient, ApiError } from "../http/errors.ts";
import { MAX_VARIANTS, type CacheKey } from "../storage/store.ts";
import type { Fingerprint } from "../http/credential.ts";
import type { UpstreamFailure } from "../upstream/failures.ts";

/** A remembered failure: until then that key causes no upstream call. Instants in ms since the epoch. */
export interface NegativeEntry {
  readonly failure: Pick<UpstreamFailure, "kind" | "body">;
  readonly since: number;
  readonly until: number;
  /** The instant before which asking again is of no use, as far as is known. */
  readonly retryAt: number;
}

/** Remembers failures for a short while; bounded, so that a flood of wrong keys costs no memory. */
export interface NegativeCache {
  set(key: CacheKey, failure: UpstreamFailure): NegativeEntry;
  get(key: CacheKey): NegativeEntry | undefined;
  /** The key's last 401, where it was learned at that instant or later: even where it is over, or forgotten, since. */
  revokedSince(key: CacheKey, instant: number): NegativeEntry | undefined;
  delete(fingerprint: Fingerprint): void;
}

const MAX_CALLERS = 5000;
const LONGEST_RETRY_MS = 60_000;
// A refused key is refused whatever it asks for, and so is one that has used up its requests.
const WHOLE_KEY_STATUSES = new Set([401, 429]);
const ANY_VARIANT = "";

export function createNegativeCache(maxAgeMs: number, now: () => number): NegativeCache {
  const callers = new LRUCache<Fingerprint, Map<string, NegativeEntry>>({ max: MAX_CALLERS });
  // Apart from the others: neither a purge nor a later 429 may take a 401 back from the flights that began before it.
  const revocations = new LRUCache<Fingerprint, NegativeEntry>({ max: MAX_CALLERS });
  return {
    set({ fingerprint, variant }, fault) {
      // Not the error itself: its stack holds on to the functions it went through, and they to the credential.
      const failure = { kind: fault.kind, body: fault.body };
      const askedFor = Math.min(fault.retryAfterMs ?? 0, LONGEST_RETRY_MS);
      const since = now();
      const until = since + Math.max(maxAgeMs, askedFor);
      const refusal = {
        failure,
        since,
        until,
        retryAt: Math.max(until, since + (fault.retryAfterMs ?? 0)),
      };
      const known = callers.get(fingerprint) ?? new Map<string, NegativeEntry>();
      const name = WHOLE_KEY_STATUSES.has(failure.body.status) ? ANY_VARIANT : variant;
      known.delete(name);
      known.set(name, refusal);
      const [oldest] = known.keys();
      if (known.size > MAX_VARIANTS && oldest !== undefined) known.delete(oldest);
      callers.set(fingerprint, known);
      if (failure.kind === "unauthorized") revocations.set(fingerprint, refusal);
      return refusal;
    },
    get({ fingerprint, variant }) {
      const known = callers.get(fingerprint);
      const found = [known?.get(ANY_VARIANT), known?.get(variant)];
      return found.find((refusal) => refusal !== undefined && isActive(refusal, now()));
    },
    revokedSince({ fingerprint }, instant) {
      const last = revocations.get(fingerprint);
      return last !== undefined && last.since >= instant ? last : undefined;
    },
    delete: (fingerprint) => void callers.delete(fingerprint),
  };
}

// A clock that steps back ends a refusal: it must not last for as long as the step was wide.
function isActive({ since, until }: NegativeEntry, now: number): boolean {
  return since <= now && now < until;
}

/** Makes the error that a caller gets; Retry-After stands where waiting helps, in whole seconds. */
export function toApiError(
  { failure, retryAt }: Pick<NegativeEntry, "failure" | "retryAt">,
  now: number,
): ApiError {
  const { status } = failure.body;
  const headers: Record<string, string> = {};
  if (status === 401) headers["WWW-Authenticate"] = "Bearer";
  if (isTransient(status)) headers["Retry-After"] = String(Math.max(1, Math.ceil((retryAt - now) / 1000)));
  return new ApiError(failure.body, headers);
}
