import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { matchesEtag } from "../../src/http/cache-control.ts";

describe("If-None-Match", () => {
  const tag = fc.stringMatching(/^[\x21\x23-\x7e]{0,12}$/);
  const weak = fc.constantFrom("", "W/");

  test("names a validator that is listed, weak or strong, among any others", () => {
    fc.assert(
      fc.property(
        fc.array(tag),
        tag,
        fc.array(tag),
        weak,
        weak,
        fc.constantFrom(",", ", ", " , "),
        (before, mine, after, w, v, comma) => {
          const field = [
            ...before.map((t) => `"${t}"`),
            `${w}"${mine}"`,
            ...after.map((t) => `W/"${t}"`),
          ].join(comma);
          expect(matchesEtag(field, `${v}"${mine}"`)).toBe(true);
          const others = [...before, ...after].filter((t) => t !== mine).map((t) => `"${t}"`);
          expect(matchesEtag(others.join(comma), `${v}"${mine}"`)).toBe(false);
        },
      ),
    );
  });

  test("of any text is read without a throw, and names nothing by chance", () => {
    fc.assert(
      fc.property(fc.string(), (field) => {
        expect(matchesEtag(field, 'W/"a b c d e"')).toBe(field.trim() === "*");
      }),
    );
    expect(matchesEtag(`W/${'"'.repeat(100_001)}`, 'W/"a"')).toBe(false);
  });
});
