import * as fc from "fast-check";
import type { CacheKey, Coding, StoredList } from "../../src/storage/store.ts";

/** At the index that stands for each in a sealed list. */
export const CODINGS: readonly Coding[] = ["identity", "gzip", "br", "zstd"];
/** The latest storedAt, in ms since the epoch, that six bytes can hold. */
export const MAX_TIME: number = 2 ** 48 - 1;

/** CACHE_SECRET: an operator may use any text. */
export const secret: fc.Arbitrary<string> = fc.string({ unit: "binary", minLength: 1, maxLength: 40 });
/** The characters allowed in a key. */
export const credential: fc.Arbitrary<string> = fc.stringMatching(/^[\w.~+/:=-]{1,60}$/);
/** Neither part contains a line break. */
export const cacheKey: fc.Arbitrary<CacheKey> = fc.record({
  fingerprint: fc.stringMatching(/^[\da-f]{64}$/),
  variant: fc.stringMatching(/^[\w =&%./:-]{0,60}$/),
});
export const storedList: fc.Arbitrary<StoredList> = fc.record({
  storedAt: fc.oneof(fc.integer({ min: 0, max: MAX_TIME }), fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, MAX_TIME)),
  isEmpty: fc.boolean(),
  isBasic: fc.boolean(),
  original: fc.record({
    coding: fc.constantFrom(...CODINGS),
    bytes: fc.uint8Array({ maxLength: 300 }).map((bytes): Uint8Array<ArrayBuffer> => new Uint8Array(bytes)),
    etag: fc.stringMatching(/^[\w-]{27}$/).map((opaque) => `W/"${opaque}"`),
  }),
  views: fc.constant(new Map()),
});
/** Everything a sealed list is made from. */
export const sealedInput: fc.Arbitrary<{
  secret: string;
  credential: string;
  key: CacheKey;
  list: StoredList;
}> = fc.record({ secret, credential, key: cacheKey, list: storedList });
