import { describe, expect, test } from "vitest";
import * as fc from "fast-check";
import { clock, counted, modelCount, price, size, span, took } from "../../../src/console/format.js";
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
  ])("of %d dollars is written %s", ([dollars, written]) => {
    expect(price(dollars)).toBe(written);
  });
  test("says what it is to six digits, never as an exponent", () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-9, max: 999, noNaN: true }), (dollars) => {
        const written = price(dollars);
        expect(written).toMatch(/^\$\d+\.\d{2,}$/);
        expect(Math.abs(Number(written.slice(1)) - dollars)).toBeLessThanOrEqual(dollars * 1e-4);
      }),
    );
  });
});
test("numbers, sizes and times are written as people read them", () => {
  expect([counted(1048576), modelCount(1), modelCount(643)]).toEqual(["1,048,576", "1 model", "643 models"]);
  expect([size(9), size(19600), size(999949), size(2300000)]).toEqual(["9 B", "19.6 kB", "1.0 MB", "2.3 MB"]);
  expect([took(0.44), took(12.3), took(2345), took(65000)]).toEqual(["0.4 ms", "12 ms", "2.35 s", "65.0 s"]);
  expect([span(59), span(120), span(7300), span(200000)]).toEqual(["59 s", "2 min", "2 h 1 min", "2 days"]);
});
test("a time of day has its day where that is another", () => {
  const noon = new Date(2026, 5, 3, 12, 0, 5).getTime();
  expect(clock(noon, noon + 1000)).toBe("12:00:05");
  expect(clock(noon, noon + 86400000)).toBe("12:00:05 on 3 Jun");
});
