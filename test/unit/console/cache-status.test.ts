import { describe, expect, test } from "vitest";
import { cacheStatus, trouble, verdict } from "../../../src/console/cache-status.js";

describe("a Cache-Status", () => {
  test.for([
    ["keylane; hit; ttl=38", 38, "Hit"],
    ["keylane; hit; ttl=-12; detail=refreshing", -12, "Stale"],
    ["keylane; hit; ttl=-400; detail=upstream-failed", -400, "Stale"],
    ["keylane; hit; ttl=40; detail=upstream-failed", 40, "Held"],
    ["keylane; fwd=uri-miss; stored", undefined, "Miss"],
    ["keylane; fwd=stale; stored; collapsed", undefined, "Asked"],
    ["keylane; fwd=bypass", undefined, "Asked"],
    ["other; hit", undefined, "Unknown"],
    [null, undefined, "Unknown"],
  ] as const)("of %s is told in a word", ([field, ttl, word]) => {
    const status = cacheStatus(field);
    expect(status?.ttl).toBe(ttl);
    expect(verdict(status, status?.ttl).word).toBe(word);
  });

  test("of a hit is stale once its time is over", () => {
    const status = cacheStatus("keylane; hit; ttl=2");
    expect([verdict(status, 1).word, verdict(status, 0).word]).toEqual(["Hit", "Stale"]);
  });
});

describe("a failure", () => {
  const now = new Date(2026, 5, 3, 12, 0, 0).getTime();
  test.for([
    [0, undefined, undefined, "This Keylane does not answer"],
    [401, "invalid_api_key", undefined, "This key is not accepted"],
    [403, "api_key_origin_not_allowed", undefined, "This key may not be used here"],
    [429, "rate_limited", 90, "Rate-limited until 12:01:30"],
    [429, "rate_limited", undefined, "Rate-limited by NanoGPT"],
    [502, "upstream_unreachable", 5, "NanoGPT cannot be reached"],
    [502, "upstream_error", 5, "NanoGPT did not answer well"],
    [503, "upstream_unavailable", 5, "NanoGPT is unavailable"],
    [504, "upstream_timeout", 5, "NanoGPT did not answer in time"],
  ] as const)(
    "with status %i, code %s and Retry-After %s is told in a line",
    ([status, code, wait, title]) => {
      expect(trouble(status, { error: { code, message: "m" } }, wait, now)).toMatchObject({
        title,
        isOfKey: status === 401 || status === 403,
      });
    },
  );

  test("has upstream's words, if there are any, of bounded length", () => {
    expect(trouble(400, { message: "flat" }, undefined, now).text).toBe("flat");
    for (const body of [undefined, null, "x", { error: { message: 7 } }, []])
      expect(trouble(400, body, undefined, now).text).toBe("");
    expect(trouble(400, { message: "x".repeat(9000) }, undefined, now).text.length).toBe(500);
  });
});
