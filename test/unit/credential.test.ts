// Credential headers give one client or a 400 or 401, and its fingerprint reveals neither credential nor secret.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createFingerprinter, parseCredential } from "../../src/http/credential.ts";
import { ApiError } from "../../src/http/errors.ts";

const KEY = "sk-nano-test-alice";
const TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";

/** The parsed credential, or status and code of the ApiError; any other error is rethrown. */
function outcome(authorization: string | null, apiKey: string | null) {
  try {
    return parseCredential(authorization, apiKey);
  } catch (error) {
    if (error instanceof ApiError) return `${error.body.status} ${error.body.code}`;
    throw error;
  }
}

describe("a credential", () => {
  const alice = { kind: "key", credential: KEY };
  const MISSING = "401 missing_api_key";
  const INVALID = "401 invalid_api_key";
  const AMBIGUOUS = "400 ambiguous_credentials";
  test.for([
    [`Bearer ${KEY}`, null, alice],
    [`bearer ${KEY}`, null, alice],
    [`BEARER   ${KEY}`, null, alice],
    [null, KEY, alice],
    [null, ` ${KEY} `, alice],
    [`Bearer ${KEY}`, KEY, alice],
    [
      "Bearer 3f0c8a52-5d0e-4d6c-9a5b-000000000000",
      null,
      { kind: "key", credential: "3f0c8a52-5d0e-4d6c-9a5b-000000000000" },
    ],
    [`Bearer ${TOKEN}`, null, { kind: "token", credential: TOKEN }],
    [null, TOKEN, { kind: "token", credential: TOKEN }],
    ["Bearer a.b", null, { kind: "key", credential: "a.b" }],
    [`Bearer ${"k".repeat(512)}`, null, { kind: "key", credential: "k".repeat(512) }],
    [null, null, MISSING],
    ["", "", MISSING],
    ["Bearer", null, MISSING],
    ["Bearer ", null, MISSING],
    ["Bearer undefined", null, MISSING],
    ["bearer null", "undefined", MISSING],
    ["Bearer undefined", KEY, alice],
    ["Bearer", KEY, alice],
    [`Bearer ${"k".repeat(513)}`, null, INVALID],
    [null, "k".repeat(513), INVALID],
    [`Basic ${KEY}`, null, INVALID],
    [KEY, null, INVALID],
    [`Bearer${KEY}`, null, INVALID],
    [`Bearer Bearer ${KEY}`, null, INVALID],
    ["Bearer two parts", null, INVALID],
    ["Bearer caf\u00e9", null, INVALID],
    ['Bearer "quoted"', null, INVALID],
    ["Bearer a\u0000b", null, INVALID],
    [`Bearer ${KEY}`, "another", AMBIGUOUS],
    [`Bearer ${KEY}`, `${KEY}x`, AMBIGUOUS],
    [`Bearer ${KEY}`, "sk-nano-test-carol", AMBIGUOUS],
    [`Bearer ${KEY}, Bearer ${KEY}`, null, AMBIGUOUS],
    [null, `${KEY}, ${KEY}`, AMBIGUOUS],
    [null, `${KEY},`, AMBIGUOUS],
  ] as const)("from Authorization: %s and x-api-key: %s is %o", ([authorization, apiKey, wanted]) => {
    expect(outcome(authorization, apiKey)).toEqual(wanted);
  });

  test("is parsed in linear time from a header full of spaces", () => {
    // Quadratic time would take minutes and block the process.
    const spaces = `a${" ".repeat(1_000_000)}b`;
    expect(outcome(`Bearer ${spaces}`, null)).toBe(INVALID);
    expect(outcome(null, spaces)).toBe(INVALID);
  });

  const header = fc.oneof(
    fc.constant(null),
    fc.string({ unit: "binary" }),
    fc.string().map((text) => `Bearer ${text}`),
    fc.constantFrom(KEY, TOKEN, `Bearer ${KEY}`, `Bearer ${TOKEN}`, "Bearer null"),
  );

  test("is accepted or rejected with 400 or 401, whatever the headers contain", () => {
    fc.assert(
      fc.property(header, header, (authorization, apiKey) => {
        const result = outcome(authorization, apiKey);
        if (typeof result === "string") expect([MISSING, INVALID, AMBIGUOUS]).toContain(result);
        else expect(result.credential).toMatch(/^[\w.~+/:=-]{1,8192}$/);
      }),
    );
  });

  test("is the same from either header", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[\w.~+/:=-]{1,80}$/), (key) => {
        expect(outcome(`Bearer ${key}`, null)).toEqual(outcome(null, key));
        expect(outcome(`Bearer ${key}`, key)).toEqual(outcome(null, key));
      }),
    );
  });

  test("is not quoted in the error when rejected", () => {
    const sent = `sk-nano-test-${"k".repeat(600)}`;
    for (const [authorization, apiKey] of [
      [`Bearer ${sent}`, null],
      [`Bearer ${KEY}`, sent],
      [`Basic ${sent}`, null],
    ] as const) {
      expect(() => parseCredential(authorization, apiKey)).toThrow(ApiError);
      expect(() => parseCredential(authorization, apiKey)).not.toThrow(/sk-nano/);
    }
  });
});

describe("a fingerprint", () => {
  const text = fc.string({ minLength: 1, maxLength: 60 });

  test("is 64 hex digits, always the same, and contains neither credential nor secret", () => {
    const long = fc.stringMatching(/^[\w-]{4,60}$/);
    fc.assert(
      fc.property(long, long, long, (secret, upstream, credential) => {
        const fingerprint = createFingerprinter(secret, upstream)(credential);
        expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
        expect(createFingerprinter(secret, upstream)(credential)).toBe(fingerprint);
        if (credential.length > 8) expect(fingerprint).not.toContain(credential);
        if (secret.length > 8) expect(fingerprint).not.toContain(secret);
      }),
    );
  });

  test("differs for another credential, upstream or secret", () => {
    const parts = fc.tuple(text, text, text);
    fc.assert(
      fc.property(parts, parts, ([secret, upstream, credential], other) => {
        fc.pre([secret, upstream, credential].some((part, i) => part !== other[i]));
        // An upstream is a parsed URL, which has no line feed.
        fc.pre(![upstream, other[1]].some((url) => url.includes("\n")));
        const fingerprint = createFingerprinter(secret, upstream)(credential);
        expect(createFingerprinter(other[0], other[1])(other[2])).not.toBe(fingerprint);
        expect(createFingerprinter(secret, upstream)(`${credential}x`)).not.toBe(fingerprint);
        expect(createFingerprinter(`${secret}x`, upstream)(credential)).not.toBe(fingerprint);
        expect(createFingerprinter(secret, `${upstream}x`)(credential)).not.toBe(fingerprint);
      }),
    );
  });
});
