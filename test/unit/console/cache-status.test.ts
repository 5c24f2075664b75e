// The console explains every Cache-Status and every failed request in one line.
import { describe, expect, test } from "vitest";
import { describeSource, noticeFor, parseCacheStatus } from "../../../src/console/cache-status.js";

describe("a Cache-Status header", () => {
  test.for([
    ["keylane; hit; ttl=38", 38, "Hit"],
    ["keylane; hit; ttl=-12; detail=refreshing", -12, "Stale"],
    ["keylane; hit; ttl=-400; detail=upstream-failed", -400, "Stale"],
    ["keylane; hit; ttl=40; detail=upstream-failed", 40, "Stored"],
    ["keylane; fwd=uri-miss; stored", undefined, "Miss"],
    ["keylane; fwd=stale; stored; collapsed", undefined, "Asked"],
    ["keylane; fwd=bypass", undefined, "Asked"],
    ["other; hit", undefined, "Unknown"],
    [null, undefined, "Unknown"],
  ] as const)("%s with %s s of freshness is shown as %s", ([header, ttl, label]) => {
    const status = parseCacheStatus(header);
    expect(status?.ttl).toBe(ttl);
    expect(describeSource(status, status?.ttl).label).toBe(label);
  });

  test("of a hit is shown as stale once its ttl has elapsed", () => {
    const status = parseCacheStatus("keylane; hit; ttl=2");
    expect([describeSource(status, 1).label, describeSource(status, 0).label]).toEqual(["Hit", "Stale"]);
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
    [502, "upstream_error", 5, "NanoGPT failed to answer"],
    [503, "upstream_unavailable", 5, "NanoGPT is unavailable"],
    [504, "upstream_timeout", 5, "NanoGPT did not answer in time"],
  ] as const)('with status %i, code %s and Retry-After %s is titled "%s"', ([status, code, retryAfter, title]) => {
    expect(noticeFor(status, { error: { code, message: "m" } }, retryAfter, now)).toMatchObject({
      title,
      isKeyRejected: status === 401 || status === 403,
    });
  });

  test("shows the error message of the response, if any, cut to 500 characters", () => {
    expect(noticeFor(400, { message: "flat" }, undefined, now).text).toBe("flat");
    for (const body of [undefined, null, "x", { error: { message: 7 } }, []])
      expect(noticeFor(400, body, undefined, now).text).toBe("");
    expect(noticeFor(400, { message: "x".repeat(9000) }, undefined, now).text.length).toBe(500);
  });
});
