import * as fc from "fast-check";
import type { CacheKey, Coding, StoredList } from "../../src/storage/store.ts";

/** By their numbers in a seal. */
export const CODINGS: readonly Coding[] = ["identity", "gzip", "br", "zstd"];
/** The last moment that six bytes can tell. */
export const LATEST: number = 2 ** 48 - 1;

/** What an operator may take for a secret. */
export const secret: fc.Arbitrary<string> = fc.string({ unit: "binary", minLength: 1, maxLength: 40 });
/** What keys are made of. */
export const credential: fc.Arbitrary<string> = fc.stringMatching(/^[\w.~+/:=-]{1,60}$/);
/** No part of one holds a line break. */
export const cacheKey: fc.Arbitrary<CacheKey> = fc.record({
  fingerprint: fc.stringMatching(/^[\da-f]{64}$/),
  variant: fc.stringMatching(/^[\w =&%./:-]{0,60}$/),
});
export const storedList: fc.Arbitrary<StoredList> = fc.record({
  storedAt: fc.oneof(fc.integer({ min: 0, max: LATEST }), fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, LATEST)),
  isEmpty: fc.boolean(),
  isBasic: fc.boolean(),
  original: fc.record({
    coding: fc.constantFrom(...CODINGS),
    bytes: fc.uint8Array({ maxLength: 300 }).map((bytes): Uint8Array<ArrayBuffer> => new Uint8Array(bytes)),
    etag: fc.stringMatching(/^[\w-]{27}$/).map((opaque) => `W/"${opaque}"`),
  }),
  views: fc.constant(new Map()),
});
/** All that goes into a seal. */
export const sealedInput: fc.Arbitrary<{
  secret: string;
  credential: string;
  key: CacheKey;
  list: StoredList;
}> = fc.record({ secret, credential, key: cacheKey, list: storedList });
