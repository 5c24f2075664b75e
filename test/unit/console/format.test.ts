// The console formats prices, counts, sizes, durations and times of day for people.
import { describe, expect, test } from "vitest";
import * as fc from "fast-check";
import {
  formatBytes,
  formatCount,
  formatModelCount,
  formatMs,
  formatPrice,
  formatSeconds,
  formatTime,
} from "../../../src/console/format.js";

describe("a price", () => {
  test.for([
    [0, "free"],
    [15, "$15.00"],
    [0.25, "$0.25"],
    [0.2006, "$0.2006"],
    [0.8999999999999999, "$0.90"],
    [1.394, "$1.394"],
    [150, "$150.00"],
    [1234.5, "$1,235"],
    [0.0000001, "$0.0000001"],
  ] as const)("of %d dollars is shown as %s", ([dollars, expected]) => {
    expect(formatPrice(dollars)).toBe(expected);
  });

  test("is accurate to 0.01 % and has no exponent", () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-9, max: 999, noNaN: true }), (dollars) => {
        const formatted = formatPrice(dollars);
        expect(formatted).toMatch(/^\$\d+\.\d{2,}$/);
        expect(Math.abs(Number(formatted.slice(1)) - dollars)).toBeLessThanOrEqual(dollars * 1e-4);
      }),
    );
  });
});

test("counts, sizes and durations have separators and readable units", () => {
  expect([formatCount(1_048_576), formatModelCount(1), formatModelCount(643)]).toEqual([
    "1,048,576",
    "1 model",
    "643 models",
  ]);
  expect([formatBytes(9), formatBytes(19_600), formatBytes(999_949), formatBytes(2_300_000)]).toEqual([
    "9 B",
    "19.6 kB",
    "1.0 MB",
    "2.3 MB",
  ]);
  expect([formatMs(0.44), formatMs(12.3), formatMs(2345), formatMs(65_000)]).toEqual([
    "0.4 ms",
    "12 ms",
    "2.35 s",
    "65.0 s",
  ]);
  expect([formatSeconds(59), formatSeconds(120), formatSeconds(7300), formatSeconds(200_000)]).toEqual([
    "59 s",
    "2 min",
    "2 h 1 min",
    "2 days",
  ]);
});

test("a time of day includes the date unless it is today", () => {
  const noon = new Date(2026, 5, 3, 12, 0, 5).getTime();
  expect(formatTime(noon, noon + 1000)).toBe("12:00:05");
  expect(formatTime(noon, noon + 86_400_000)).toBe("12:00:05 on 3 Jun");
});
