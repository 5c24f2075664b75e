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

function book() {
  let now = 1_000_000;
  const kept = createNegativeCache(MAX_AGE_MS, () => now);
  return {
    remember: (key: CacheKey, failure: UpstreamFailure) => kept.set(key, failure),
    active: (key: CacheKey) => kept.get(key),
    forget: (fingerprint: string) => kept.delete(fingerprint),
    advance: (ms: number) => void (now += ms),
    now: () => now,
  };
}

describe("a refusal", () => {
  // What upstream asked for, and how long the refusal lasts: the setting at least, a minute at most.
  test.for([
    [undefined, 5000],
    [0, 5000],
    [4999, 5000],
    [5001, 5001],
    [20_000, 20_000],
    [60_000, 60_000],
    [3_600_000, 60_000],
  ] as const)("with a Retry-After of %s ms lasts %i ms", ([retryAfterMs, lasts]) => {
    const { remember, active, advance } = book();
    const refusal = remember(key("a"), failure(503, retryAfterMs));
    expect(active(key("a"))).toBe(refusal);
    advance(lasts - 1);
    expect(active(key("a"))).toBe(refusal);
    advance(1);
    expect(active(key("a"))).toBeUndefined();
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
  ] as const)("of %i is for all the caller's lists: %s", ([status, isForAll]) => {
    const { remember, active } = book();
    remember(key("a", "1"), failure(status));
    expect(active(key("a", "1"))).toBeDefined();
    expect(active(key("a", "2")) !== undefined).toBe(isForAll);
    expect(active(key("b", "1"))).toBeUndefined();
  });

  test("is forgotten with everything of its caller, and nothing of others", () => {
    const { remember, active, forget } = book();
    for (const fingerprint of ["a", "b"]) {
      remember(key(fingerprint, "1"), failure(429));
      remember(key(fingerprint, "2"), failure(503));
    }
    forget("a");
    expect([active(key("a", "1")), active(key("a", "2"))]).toEqual([undefined, undefined]);
    expect(active(key("b", "2"))).toBeDefined();
  });

  test("that is over hides none that is not", () => {
    const { remember, active, advance } = book();
    remember(key("a", "1"), failure(429));
    const lasting = remember(key("a", "1"), failure(503, 30_000));
    advance(10_000);
    expect(active(key("a", "1"))).toBe(lasting);
    expect(active(key("a", "2"))).toBeUndefined();
  });

  test("costs bounded memory: 8 of one caller, 5000 callers, the oldest leave", () => {
    const { remember, active } = book();
    for (let i = 0; i < 9; i++) remember(key("a", `${i}`), failure(503));
    expect(active(key("a", "0"))).toBeUndefined();
    expect(active(key("a", "1"))).toBeDefined();
    for (let i = 0; i < 5000; i++) remember(key(`flood${i}`), failure(401));
    expect(active(key("a", "8"))).toBeUndefined();
    expect(active(key("flood0"))).toBeDefined();
  });
});

describe("the error a caller gets", () => {
  test.for([
    [401, "unauthorized", { "WWW-Authenticate": "Bearer" }],
    [403, "rejected", {}],
    [429, "failed", { "Retry-After": "5" }],
    [503, "failed", { "Retry-After": "5" }],
    // Upstream was never asked: its turn did not come in time.
    [504, "unasked", { "Retry-After": "5" }],
  ] as const)("for %i %s has %o", ([status, kind, headers]) => {
    const { remember, now } = book();
    const refusal = remember(key("a"), failure(status, undefined, kind));
    const error = toApiError(refusal, now());
    expect(error.body).toBe(refusal.failure.body);
    expect(error.headers).toEqual(headers);
  });

  test("says in whole seconds, 1 at least, how long waiting helps; never less than what is left", () => {
    const ms = fc.integer({ min: 0, max: 10_000_000 });
    fc.assert(
      fc.property(fc.option(ms, { nil: undefined }), ms, (retryAfterMs, waitedMs) => {
        const { remember, now } = book();
        const { headers } = toApiError(remember(key("a"), failure(503, retryAfterMs)), now() + waitedMs);
        const leftMs = Math.max(MAX_AGE_MS, retryAfterMs ?? 0) - waitedMs;
        expect(headers["Retry-After"]).toMatch(/^[1-9]\d*$/);
        const told = Number(headers["Retry-After"]) * 1000;
        expect(told).toBeGreaterThanOrEqual(leftMs);
        expect(told).toBeLessThan(Math.max(1, leftMs) + 1000);
      }),
    );
  });
});
