import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSeal, sealedAt } from "../../src/storage/encryption.ts";
import { sealReference, openReference } from "../support/encryption-reference.ts";
import { CODINGS, storedList, sealedInput } from "../support/sealed-lists.ts";
import vectors from "./encryption-vectors.json" with { type: "json" };

const OVERHEAD = 63;
// Format and time: what a store may read.
const OPEN_BYTES = 7;

describe("a seal", () => {
  test.for(vectors)("is made of what its description says: $name", async ({ sealed, bytes, ...of }) => {
    expect(await sealReference({ ...of, bytes })).toBe(sealed);
    const list = createSeal(of.secret, of.credential).open(of.key, Buffer.from(sealed, "hex"));
    expect(list).toEqual({
      storedAt: of.storedAt,
      isEmpty: (of.flags & 4) !== 0,
      isBasic: (of.flags & 8) !== 0,
      original: {
        coding: CODINGS[of.flags & 3],
        bytes: new Uint8Array(Buffer.from(bytes, "hex")),
        etag: `W/"${of.validator}"`,
      },
      views: new Map(),
    });
    if (list === undefined) return;
    const again = createSeal(of.secret, of.credential).seal(of.key, list);
    const inner = Buffer.concat([Buffer.of(of.flags), Buffer.from(of.validator), Buffer.from(bytes, "hex")]);
    expect((await openReference(of, again)).equals(inner)).toBe(true);
  });

  test.for(vectors)("of another format does not open, sealed under the same key: $name", async (one) => {
    const other = Buffer.from(await sealReference(one, 2), "hex");
    expect(createSeal(one.secret, one.credential).open(one.key, other)).toBeUndefined();
  });

  test("opens to the list it was made of, for the same client and cache key", () => {
    fc.assert(
      fc.property(sealedInput, ({ secret, credential, key, list }) => {
        const sealed = createSeal(secret, credential).seal(key, list);
        expect(createSeal(secret, credential).open(key, sealed)).toEqual(list);
        expect(sealedAt(sealed)).toBe(list.storedAt);
        expect(sealed.length - list.original.bytes.length).toBe(OVERHEAD);
      }),
    );
  });

  test("opens where it lies inside of other bytes, and gives bytes of its own", () => {
    fc.assert(
      fc.property(sealedInput, fc.nat(9), ({ secret, credential, key, list }, before) => {
        const own = createSeal(secret, credential);
        const sealed = own.seal(key, list);
        const around = new Uint8Array(sealed.length + 20);
        around.set(sealed, before);
        const found = own.open(key, around.subarray(before, before + sealed.length));
        around.fill(0);
        expect(found).toEqual(list);
        expect(found?.original.bytes.buffer.byteLength).toBe(list.original.bytes.length);
      }),
    );
  });

  test("is never the same twice", () => {
    fc.assert(
      fc.property(sealedInput, ({ secret, credential, key, list }) => {
        const own = createSeal(secret, credential);
        const [one, another] = [own.seal(key, list), own.seal(key, list)];
        expect(Buffer.from(one).equals(another)).toBe(false);
        expect(nonceOf(one)).not.toBe(nonceOf(another));
      }),
    );
    const own = createSeal("secret", "credential");
    const key = { fingerprint: "f", variant: "v" };
    const [list] = fc.sample(storedList, 1);
    if (list === undefined) throw new Error("No list");
    const nonces = Array.from({ length: 2000 }, () => nonceOf(own.seal(key, list)));
    expect(new Set(nonces).size).toBe(nonces.length);
  });
});

test("nothing of the list, the credential, the secret or the cache key can be read in a seal", () => {
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
      // All that stands open is format and time.
      expect(sealed.subarray(0, OPEN_BYTES).toString("hex")).toBe(`01${list.storedAt.toString(16).padStart(12, "0")}`);
    }),
  );
});

function nonceOf(sealed: Uint8Array): string {
  return Buffer.from(sealed.subarray(7, 19)).toString("hex");
}
