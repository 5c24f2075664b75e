// Freshness states, ages, Cache-Control directives and Retry-After are computed as RFC 9111 and RFC 9110 say.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { age, freshness, type Freshness } from "../../src/http/freshness.ts";
import { parseDirectives, parseRetryAfter } from "../../src/http/cache-headers.ts";

const ms = fc.integer({ min: 0, max: 366 * 86_400_000 });
const lifetimes = fc.record({ maxAgeMs: ms, staleWhileRevalidateMs: ms, staleIfErrorMs: ms });
const ORDER: readonly Freshness[] = ["fresh", "stale-while-revalidate", "stale-if-error", "expired"];

describe("freshness", () => {
  test("never returns to an earlier state as a list ages", () => {
    fc.assert(
      fc.property(ms, ms, lifetimes, (ageMs, elapsedMs, times) => {
        const earlier = ORDER.indexOf(freshness(ageMs, times));
        expect(ORDER.indexOf(freshness(ageMs + elapsedMs, times))).toBeGreaterThanOrEqual(earlier);
      }),
    );
  });

  test("changes exactly at the ends of the lifetimes", () => {
    fc.assert(
      fc.property(ms, lifetimes, (ageMs, times) => {
        const { maxAgeMs, staleWhileRevalidateMs, staleIfErrorMs } = times;
        const wanted = () => {
          if (ageMs < maxAgeMs) return "fresh";
          if (ageMs < maxAgeMs + staleWhileRevalidateMs) return "stale-while-revalidate";
          return ageMs < maxAgeMs + staleIfErrorMs ? "stale-if-error" : "expired";
        };
        expect(freshness(ageMs, times)).toBe(wanted());
      }),
    );
  });

  test.for([
    [0, "fresh"],
    [59_999, "fresh"],
    [60_000, "stale-while-revalidate"],
    [359_999, "stale-while-revalidate"],
    [360_000, "stale-if-error"],
    [86_459_999, "stale-if-error"],
    [86_460_000, "expired"],
  ] as const)("with the default settings at %i ms is %s", ([ageMs, state]) => {
    const times = { maxAgeMs: 60_000, staleWhileRevalidateMs: 300_000, staleIfErrorMs: 86_400_000 };
    expect(freshness(ageMs, times)).toBe(state);
  });

  test("with all lifetimes 0 is expired at once: no stored list is ever served", () => {
    expect(freshness(0, { maxAgeMs: 0, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 })).toBe("expired");
  });
});

describe("an age", () => {
  test("is the time elapsed, and 0 when the clock stepped back", () => {
    const instant = fc.integer({ min: 0, max: 2 ** 45 });
    fc.assert(
      fc.property(instant, instant, (storedAt, now) => {
        expect(age(storedAt, now)).toBe(now >= storedAt ? now - storedAt : 0);
      }),
    );
  });
});

describe("directives", () => {
  const none = { noCache: false, noStore: false, onlyIfCached: false, maxAgeMs: undefined };
  test.for([
    [null, {}],
    ["", {}],
    ["no-cache", { noCache: true }],
    ["NO-CACHE , No-Store", { noCache: true, noStore: true }],
    ["only-if-cached", { onlyIfCached: true }],
    ["max-age=0", { maxAgeMs: 0 }],
    ["max-age=10, no-cache", { maxAgeMs: 10_000, noCache: true }],
    ['max-age="10"', { maxAgeMs: 10_000 }],
    ["max-age = 10", { maxAgeMs: 10_000 }],
    ["max-age=99999999999999999999", { maxAgeMs: 2 ** 31 * 1000 }],
    ["max-age=-1", {}],
    ["max-age=1.5", {}],
    ["max-age=1e3", {}],
    ["max-age", {}],
    ["max-age=", {}],
    ["max-age=x, no-store", { noStore: true }],
    ["no-cachet, xno-store, s-maxage=5, min-fresh=1, max-stale", {}],
    [";,=,,max-age==5,\t", {}],
  ] as const)("of '%s' are parsed as %o", ([value, wanted]) => {
    expect(parseDirectives(value)).toEqual({ ...none, ...wanted });
  });

  test("of any text are parsed without an exception, and max-age is a number from 0 to 2^31 s", () => {
    const tokens = fc.constantFrom("no-cache", "max-age", "=", ",", '"', "0", "9".repeat(400), " ", "-1", "1e9");
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(tokens).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(text, (value) => {
        const { maxAgeMs = 0 } = parseDirectives(value);
        expect(maxAgeMs).toBeGreaterThanOrEqual(0);
        expect(maxAgeMs).toBeLessThanOrEqual(2 ** 31 * 1000);
      }),
    );
  });

  test("do not depend on their order", () => {
    const listed = fc.shuffledSubarray(["no-cache", "no-store", "only-if-cached", "max-age=7", "x=1"]);
    fc.assert(
      fc.property(listed, (list) => {
        expect(parseDirectives(list.join(","))).toEqual(parseDirectives(list.toReversed().join(" , ")));
      }),
    );
  });
});

describe("Retry-After", () => {
  const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
  test.for([
    [null, undefined],
    ["", undefined],
    ["later", undefined],
    ["0", 0],
    ["120", 120_000],
    [" 7 ", 7000],
    ["Fri, 02 Jan 2026 03:05:05 GMT", 60_000],
    ["Fri, 02 Jan 2026 03:04:04 GMT", 0],
    ["99999999999999", 2 ** 31 * 1000],
  ] as const)("'%s' is %s ms from now", ([value, wanted]) => {
    expect(parseRetryAfter(value, NOW)).toBe(wanted);
  });

  test("of any text is undefined or not negative", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.date().map(String), fc.double().map(String)), (value) => {
        expect(parseRetryAfter(value, NOW) ?? 0).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
