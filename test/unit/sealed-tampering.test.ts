import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSeal, sealedAt } from "../../src/storage/encryption.ts";
import { cacheKey, credential, LATEST, secret, sealedInput } from "../support/sealed-lists.ts";

describe("what is no seal of this client's", () => {
  test("does not open after any one bit has changed", () => {
    fc.assert(
      fc.property(sealedInput, ({ secret, credential, key, list }) => {
        const own = createSeal(secret, credential);
        const sealed = own.seal(key, list);
        for (let bit = 0; bit < sealed.length * 8; bit++) {
          const changed = sealed.slice();
          changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          if (own.open(key, changed) !== undefined) expect.fail(`opened with bit ${bit} changed`);
        }
      }),
      { numRuns: 20 },
    );
  });

  test("does not open cut anywhere, at either end, and not with anything added", () => {
    fc.assert(
      fc.property(sealedInput, fc.uint8Array({ minLength: 1, maxLength: 40 }), (one, extra) => {
        const own = createSeal(one.secret, one.credential);
        const sealed = own.seal(one.key, one.list);
        for (let at = 0; at < sealed.length; at++) {
          const pieces = [sealed.subarray(0, at), sealed.subarray(at + 1)];
          // Cut behind, cut in front, and one byte out of the middle.
          for (const cut of [...pieces, Buffer.concat(pieces)]) {
            if (own.open(one.key, cut) !== undefined) expect.fail(`opened when cut at ${at}`);
          }
        }
        expect(own.open(one.key, Buffer.concat([sealed, extra]))).toBeUndefined();
        expect(own.open(one.key, Buffer.concat([extra, sealed]))).toBeUndefined();
        expect(own.open(one.key, Buffer.concat([sealed, sealed]))).toBeUndefined();
      }),
      { numRuns: 20 },
    );
  });

  test("does not open for another credential or secret, nor with the border between them moved", () => {
    fc.assert(
      fc.property(
        sealedInput,
        secret,
        credential,
        ({ secret, credential, key, list }, otherSecret, otherCredential) => {
          fc.pre(secret !== otherSecret && credential !== otherCredential);
          const sealed = createSeal(secret, credential).seal(key, list);
          const pairs = [
            [secret, otherCredential],
            [otherSecret, credential],
            [credential, secret],
            [secret, ""],
            ["", credential],
            [secret + credential, ""],
            ["", secret + credential],
            [secret, `${credential}=`],
            [secret, credential.slice(0, -1)],
            [secret + credential.slice(0, 1), credential.slice(1)],
          ] as const;
          for (const [theirSecret, theirs] of pairs) {
            if (theirSecret === secret && theirs === credential) continue;
            expect(createSeal(theirSecret, theirs).open(key, sealed)).toBeUndefined();
          }
        },
      ),
    );
  });

  test("does not open under another fingerprint or variant", () => {
    fc.assert(
      fc.property(sealedInput, cacheKey, ({ secret, credential, key, list }, other) => {
        fc.pre(other.fingerprint !== key.fingerprint && other.variant !== key.variant);
        const own = createSeal(secret, credential);
        const sealed = own.seal(key, list);
        const { fingerprint, variant } = key;
        for (const wrong of [
          other,
          { fingerprint, variant: other.variant },
          { fingerprint: other.fingerprint, variant },
          { fingerprint, variant: `${variant} ` },
          { fingerprint: fingerprint + variant, variant: "" },
          { fingerprint: "", variant: fingerprint + variant },
          { fingerprint: fingerprint.slice(0, -1), variant: fingerprint.slice(-1) + variant },
        ]) {
          if (wrong.fingerprint === fingerprint && wrong.variant === variant) continue;
          expect(own.open(wrong, sealed)).toBeUndefined();
        }
      }),
    );
  });

  test("does not open as of another format or another time", () => {
    fc.assert(
      fc.property(sealedInput, fc.integer({ min: 0, max: LATEST }), ({ secret, credential, key, list }, time) => {
        fc.pre(time !== list.storedAt);
        const own = createSeal(secret, credential);
        const sealed = own.seal(key, list);
        for (let format = 0; format < 256; format++) {
          const other = sealed.slice();
          other[0] = format;
          expect(own.open(key, other) === undefined).toBe(format !== 1);
          expect(sealedAt(other)).toBe(format === 1 ? list.storedAt : undefined);
        }
        const moved = sealed.slice();
        moved.set(Buffer.from(time.toString(16).padStart(12, "0"), "hex"), 1);
        expect(sealedAt(moved)).toBe(time);
        expect(own.open(key, moved)).toBeUndefined();
      }),
      { numRuns: 30 },
    );
  });

  test("does not open with the head or the tag of another seal of the same list", () => {
    fc.assert(
      fc.property(sealedInput, ({ secret, credential, key, list }) => {
        const own = createSeal(secret, credential);
        const [one, another] = [own.seal(key, list), own.seal(key, list)];
        for (const [from, to] of [
          [0, 19],
          [19, -16],
          [-16, one.length],
        ] as const) {
          const mixed = one.slice();
          mixed.set(another.subarray(from, to), from < 0 ? one.length + from : from);
          expect(own.open(key, mixed)).toBeUndefined();
        }
      }),
    );
  });

  test("is no more than a miss, whatever it is", () => {
    const own = createSeal("secret", "credential");
    const key = { fingerprint: "f", variant: "v" };
    const anything = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(anything, fc.boolean(), (bytes, isOfFormat) => {
        if (isOfFormat) bytes[0] = 1;
        expect(own.open(key, bytes)).toBeUndefined();
        const time = sealedAt(bytes);
        expect(time === undefined || (time >= 0 && time <= LATEST)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});
