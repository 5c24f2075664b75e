// A sealed list has the documented format, opens only for its client, and reveals nothing but its time.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSeal, sealedAt } from "../../src/storage/encryption.ts";
import { sealReference, openReference } from "../support/encryption-reference.ts";
import { CODINGS, storedList, sealedInput } from "../support/sealed-lists.ts";
import vectors from "./encryption-vectors.json" with { type: "json" };

const OVERHEAD = 63;
// Format and storedAt are not encrypted.
const PLAIN_BYTES = 7;

describe("a sealed list", () => {
  test.for(vectors)("has the documented format: $name", async ({ sealed, bytes, ...input }) => {
    expect(await sealReference({ ...input, bytes })).toBe(sealed);
    const list = createSeal(input.secret, input.credential).open(input.key, Buffer.from(sealed, "hex"));
    expect(list).toEqual({
      storedAt: input.storedAt,
      isEmpty: (input.flags & 4) !== 0,
      isBasic: (input.flags & 8) !== 0,
      original: {
        coding: CODINGS[input.flags & 3],
        bytes: new Uint8Array(Buffer.from(bytes, "hex")),
        etag: `W/"${input.validator}"`,
      },
      views: new Map(),
    });
    if (list === undefined) return;
    const resealed = createSeal(input.secret, input.credential).seal(input.key, list);
    const inner = Buffer.concat([Buffer.of(input.flags), Buffer.from(input.validator), Buffer.from(bytes, "hex")]);
    expect((await openReference(input, resealed)).equals(inner)).toBe(true);
  });

  test.for(vectors)("of another format does not open, even with the right key: $name", async (input) => {
    const other = Buffer.from(await sealReference(input, 2), "hex");
    expect(createSeal(input.secret, input.credential).open(input.key, other)).toBeUndefined();
  });

  test("opens to the same list for the same client and cache key", () => {
    fc.assert(
      fc.property(sealedInput, ({ secret, credential, key, list }) => {
        const sealed = createSeal(secret, credential).seal(key, list);
        expect(createSeal(secret, credential).open(key, sealed)).toEqual(list);
        expect(sealedAt(sealed)).toBe(list.storedAt);
        expect(sealed.length - list.original.bytes.length).toBe(OVERHEAD);
      }),
    );
  });

  test("opens as a view of a larger buffer, and gives bytes with a buffer of their own", () => {
    fc.assert(
      fc.property(sealedInput, fc.nat(9), ({ secret, credential, key, list }, before) => {
        const seal = createSeal(secret, credential);
        const sealed = seal.seal(key, list);
        const larger = new Uint8Array(sealed.length + 20);
        larger.set(sealed, before);
        const opened = seal.open(key, larger.subarray(before, before + sealed.length));
        larger.fill(0);
        expect(opened).toEqual(list);
        expect(opened?.original.bytes.buffer.byteLength).toBe(list.original.bytes.length);
      }),
    );
  });

  test("is different each time", () => {
    fc.assert(
      fc.property(sealedInput, ({ secret, credential, key, list }) => {
        const seal = createSeal(secret, credential);
        const [one, another] = [seal.seal(key, list), seal.seal(key, list)];
        expect(Buffer.from(one).equals(another)).toBe(false);
        expect(nonceOf(one)).not.toBe(nonceOf(another));
      }),
    );
    const seal = createSeal("secret", "credential");
    const key = { fingerprint: "f", variant: "v" };
    const [list] = fc.sample(storedList, 1);
    if (list === undefined) throw new Error("No list");
    const nonces = Array.from({ length: 2000 }, () => nonceOf(seal.seal(key, list)));
    expect(new Set(nonces).size).toBe(nonces.length);
  });
});

test("nothing of the list, the credential, the secret or the cache key can be read in a sealed list", () => {
  const piece = fc.stringMatching(/^[\w-]{12,60}$/);
  fc.assert(
    fc.property(sealedInput, piece, piece, piece, piece, (one, secret, credential, fingerprint, row) => {
      const bytes = new Uint8Array(new TextEncoder().encode(row.repeat(5)));
      const original = { ...one.list.original, bytes };
      const list = { ...one.list, original };
      const key = { fingerprint, variant: row };
      const sealed = Buffer.from(createSeal(secret, credential).seal(key, list));
      const opaque = original.etag.slice(3, -1);
      for (const hidden of [row, secret, credential, fingerprint, opaque]) {
        for (let at = 0; at + 6 <= hidden.length; at++) expect(sealed.includes(hidden.slice(at, at + 6))).toBe(false);
      }
      // Only format and storedAt are not encrypted.
      expect(sealed.subarray(0, PLAIN_BYTES).toString("hex")).toBe(`01${list.storedAt.toString(16).padStart(12, "0")}`);
    }),
  );
});

function nonceOf(sealed: Uint8Array): string {
  return Buffer.from(sealed.subarray(7, 19)).toString("hex");
}
