// If-None-Match is compared weakly, and only `*` or a listed ETag matches (RFC 9110 §13.1.2).
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { matchesEtag } from "../../src/http/cache-headers.ts";

describe("If-None-Match", () => {
  const tag = fc.stringMatching(/^[\x21\x23-\x7e]{0,12}$/);
  const weakPrefix = fc.constantFrom("", "W/");

  test("matches a listed ETag, weak or strong, among any others", () => {
    fc.assert(
      fc.property(
        fc.array(tag),
        tag,
        fc.array(tag),
        weakPrefix,
        weakPrefix,
        fc.constantFrom(",", ", ", " , "),
        (before, wanted, after, listedPrefix, prefix, comma) => {
          const etag = `${prefix}"${wanted}"`;
          const field = [
            ...before.map((t) => `"${t}"`),
            `${listedPrefix}"${wanted}"`,
            ...after.map((t) => `W/"${t}"`),
          ].join(comma);
          expect(matchesEtag(field, etag)).toBe(true);
          const others = [...before, ...after].filter((t) => t !== wanted).map((t) => `"${t}"`);
          expect(matchesEtag(others.join(comma), etag)).toBe(false);
        },
      ),
    );
  });

  test("of any text is parsed without an exception, and matches only as `*`", () => {
    fc.assert(
      fc.property(fc.string(), (field) => {
        expect(matchesEtag(field, 'W/"a b c d e"')).toBe(field.trim() === "*");
      }),
    );
    expect(matchesEtag(`W/${'"'.repeat(100_001)}`, 'W/"a"')).toBe(false);
  });
});
