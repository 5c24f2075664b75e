// A sealed list that was changed in any way, or belongs to another client, does not open.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSeal, sealedAt } from "../../src/storage/encryption.ts";
import { cacheKey, credential, MAX_TIME, secret, sealedInput } from "../support/sealed-lists.ts";

describe("a sealed list that was changed, or is another client's", () => {
  test("does not open after a change of any one bit", () => {
    fc.assert(
      fc.property(sealedInput, ({ secret, credential, key, list }) => {
        const seal = createSeal(secret, credential);
        const sealed = seal.seal(key, list);
        for (let bit = 0; bit < sealed.length * 8; bit++) {
          const changed = sealed.slice();
          changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          if (seal.open(key, changed) !== undefined) expect.fail(`opened with bit ${bit} changed`);
        }
      }),
      { numRuns: 20 },
    );
  });

  test("does not open after a cut anywhere, nor with bytes added", () => {
    fc.assert(
      fc.property(sealedInput, fc.uint8Array({ minLength: 1, maxLength: 40 }), (one, extra) => {
        const seal = createSeal(one.secret, one.credential);
        const sealed = seal.seal(one.key, one.list);
        for (let at = 0; at < sealed.length; at++) {
          const [head, tail] = [sealed.subarray(0, at), sealed.subarray(at + 1)];
          // Its end cut off, its beginning cut off, and one byte removed.
          for (const cut of [head, tail, Buffer.concat([head, tail])]) {
            if (seal.open(one.key, cut) !== undefined) expect.fail(`opened when cut at ${at}`);
          }
        }
        expect(seal.open(one.key, Buffer.concat([sealed, extra]))).toBeUndefined();
        expect(seal.open(one.key, Buffer.concat([extra, sealed]))).toBeUndefined();
        expect(seal.open(one.key, Buffer.concat([sealed, sealed]))).toBeUndefined();
      }),
      { numRuns: 20 },
    );
  });

  test("does not open for another credential or secret, nor with characters moved from one to the other", () => {
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
          for (const [wrongSecret, wrongCredential] of pairs) {
            if (wrongSecret === secret && wrongCredential === credential) continue;
            expect(createSeal(wrongSecret, wrongCredential).open(key, sealed)).toBeUndefined();
          }
        },
      ),
    );
  });

  test("does not open under another fingerprint or variant", () => {
    fc.assert(
      fc.property(sealedInput, cacheKey, ({ secret, credential, key, list }, other) => {
        fc.pre(other.fingerprint !== key.fingerprint && other.variant !== key.variant);
        const seal = createSeal(secret, credential);
        const sealed = seal.seal(key, list);
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
          expect(seal.open(wrong, sealed)).toBeUndefined();
        }
      }),
    );
  });

  test("does not open with its format or time changed", () => {
    fc.assert(
      fc.property(sealedInput, fc.integer({ min: 0, max: MAX_TIME }), ({ secret, credential, key, list }, time) => {
        fc.pre(time !== list.storedAt);
        const seal = createSeal(secret, credential);
        const sealed = seal.seal(key, list);
        for (let format = 0; format < 256; format++) {
          const other = sealed.slice();
          other[0] = format;
          expect(seal.open(key, other) === undefined).toBe(format !== 1);
          expect(sealedAt(other)).toBe(format === 1 ? list.storedAt : undefined);
        }
        const moved = sealed.slice();
        moved.set(Buffer.from(time.toString(16).padStart(12, "0"), "hex"), 1);
        expect(sealedAt(moved)).toBe(time);
        expect(seal.open(key, moved)).toBeUndefined();
      }),
      { numRuns: 30 },
    );
  });

  test("does not open with the head or the tag of the same list sealed again", () => {
    fc.assert(
      fc.property(sealedInput, ({ secret, credential, key, list }) => {
        const seal = createSeal(secret, credential);
        const [one, another] = [seal.seal(key, list), seal.seal(key, list)];
        for (const [from, to] of [
          [0, 19],
          [19, -16],
          [-16, one.length],
        ] as const) {
          const mixed = one.slice();
          mixed.set(another.subarray(from, to), from < 0 ? one.length + from : from);
          expect(seal.open(key, mixed)).toBeUndefined();
        }
      }),
    );
  });

  test("is a miss and never an error, for any bytes", () => {
    const seal = createSeal("secret", "credential");
    const key = { fingerprint: "f", variant: "v" };
    const anyBytes = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(anyBytes, fc.boolean(), (bytes, hasFormat) => {
        if (hasFormat) bytes[0] = 1;
        expect(seal.open(key, bytes)).toBeUndefined();
        const time = sealedAt(bytes);
        expect(time === undefined || (time >= 0 && time <= MAX_TIME)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});
