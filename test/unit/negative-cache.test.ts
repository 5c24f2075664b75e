// A failed fetch is remembered for a bounded time, in bounded memory, for one key only.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { errorBody } from "../../src/http/errors.ts";
import { createNegativeCache, toApiError } from "../../src/cache/negative-cache.ts";
import type { CacheKey } from "../../src/storage/store.ts";
import { UpstreamFailure, type FailureKind } from "../../src/upstream/failures.ts";

const MAX_AGE_MS = 5000;
const key = (fingerprint: string, variant = "1"): CacheKey => ({ fingerprint, variant });
const failure = (status: number, retryAfterMs?: number, kind: FailureKind = "failed") =>
  new UpstreamFailure(kind, errorBody(status, "code", "Message."), "reason", retryAfterMs);

function negativeCache() {
  let now = 1_000_000;
  const cache = createNegativeCache(MAX_AGE_MS, () => now);
  return {
    set: (key: CacheKey, failure: UpstreamFailure) => cache.set(key, failure),
    get: (key: CacheKey) => cache.get(key),
    purge: (fingerprint: string) => cache.delete(fingerprint),
    advance: (ms: number) => void (now += ms),
    now: () => now,
  };
}

describe("a negative entry", () => {
  // At least REFUSAL_MAX_AGE; longer Retry-After values count up to one minute.
  test.for([
    [undefined, 5000],
    [0, 5000],
    [4999, 5000],
    [5001, 5001],
    [20_000, 20_000],
    [60_000, 60_000],
    [3_600_000, 60_000],
  ] as const)("with a Retry-After of %s ms lasts %i ms", ([retryAfterMs, durationMs]) => {
    const { set, get, advance } = negativeCache();
    const entry = set(key("a"), failure(503, retryAfterMs));
    expect(get(key("a"))).toBe(entry);
    advance(durationMs - 1);
    expect(get(key("a"))).toBe(entry);
    advance(1);
    expect(get(key("a"))).toBeUndefined();
  });

  test.for([
    [401, true],
    [429, true],
    [400, false],
    [403, false],
    [404, false],
    [408, false],
    [500, false],
    [502, false],
    [503, false],
    [504, false],
  ] as const)("with status %i applies to all lists of the key: %s", ([status, isForAll]) => {
    const { set, get } = negativeCache();
    set(key("a", "1"), failure(status));
    expect(get(key("a", "1"))).toBeDefined();
    expect(get(key("a", "2")) !== undefined).toBe(isForAll);
    expect(get(key("b", "1"))).toBeUndefined();
  });

  test("is deleted with all others of its fingerprint, and no others", () => {
    const { set, get, purge } = negativeCache();
    for (const fingerprint of ["a", "b"]) {
      set(key(fingerprint, "1"), failure(429));
      set(key(fingerprint, "2"), failure(503));
    }
    purge("a");
    expect([get(key("a", "1")), get(key("a", "2"))]).toEqual([undefined, undefined]);
    expect(get(key("b", "2"))).toBeDefined();
  });

  test("that has expired hides no active one", () => {
    const { set, get, advance } = negativeCache();
    set(key("a", "1"), failure(429));
    const longer = set(key("a", "1"), failure(503, 30_000));
    advance(10_000);
    expect(get(key("a", "1"))).toBe(longer);
    expect(get(key("a", "2"))).toBeUndefined();
  });

  test("is evicted when oldest: at most 8 per fingerprint and 5000 fingerprints are stored", () => {
    const { set, get } = negativeCache();
    for (let i = 0; i < 9; i++) set(key("a", `${i}`), failure(503));
    expect(get(key("a", "0"))).toBeUndefined();
    expect(get(key("a", "1"))).toBeDefined();
    for (let i = 0; i < 5000; i++) set(key(`flood${i}`), failure(401));
    expect(get(key("a", "8"))).toBeUndefined();
    expect(get(key("flood0"))).toBeDefined();
  });
});

describe("the error for the client", () => {
  test.for([
    [401, "unauthorized", { "WWW-Authenticate": "Bearer" }],
    [403, "rejected", {}],
    [429, "failed", { "Retry-After": "5" }],
    [503, "failed", { "Retry-After": "5" }],
    // The fetch was never sent: no slot became free in time.
    [504, "not_attempted", { "Retry-After": "5" }],
  ] as const)("for %i %s has %o", ([status, kind, headers]) => {
    const { set, now } = negativeCache();
    const entry = set(key("a"), failure(status, undefined, kind));
    const error = toApiError(entry, now());
    expect(error.body).toBe(entry.failure.body);
    expect(error.headers).toEqual(headers);
  });

  test("has the remaining time as Retry-After, in whole seconds, rounded up, at least 1", () => {
    const ms = fc.integer({ min: 0, max: 10_000_000 });
    fc.assert(
      fc.property(fc.option(ms, { nil: undefined }), ms, (retryAfterMs, waitedMs) => {
        const { set, now } = negativeCache();
        const { headers } = toApiError(set(key("a"), failure(503, retryAfterMs)), now() + waitedMs);
        const leftMs = Math.max(MAX_AGE_MS, retryAfterMs ?? 0) - waitedMs;
        expect(headers["Retry-After"]).toMatch(/^[1-9]\d*$/);
        const sentMs = Number(headers["Retry-After"]) * 1000;
        expect(sentMs).toBeGreaterThanOrEqual(leftMs);
        expect(sentMs).toBeLessThan(Math.max(1, leftMs) + 1000);
      }),
    );
  });
});
