import type { Fingerprint } from "../http/credential.ts";
import type { StoreSize } from "../observability/metrics.ts";

/** Where a stored list stands. Two callers never share a fingerprint, two questions of a caller never a variant. */
export interface CacheKey {
  readonly fingerprint: Fingerprint;
  readonly variant: string;
}

export type Coding = "br" | "gzip" | "zstd" | "identity";

/** Bytes ready to be sent. */
export interface Representation {
  readonly coding: Coding;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Weak, from the uncoded bytes: the same for every coding (RFC 9110 §8.8.1). */
  readonly etag: string;
}

/** A representation, or the work that makes it; undefined where the list has no such model. */
export type RepresentationSlot = Representation | Promise<Representation | undefined>;

/** A list as upstream answered it, coded once, with every representation that was made of it since. */
export interface StoredList {
  /** Milliseconds since the epoch, when upstream answered. */
  readonly storedAt: number;
  /** Upstream said `data: []`: believed, but not for long. */
  readonly isEmpty: boolean;
  /** Every row has the four basic fields and no other, so that the basic shape is the list itself. */
  readonly isBasic: boolean;
  /** The whole list, rows as they came. */
  readonly original: Representation;
  /** Made on demand, by view and coding. */
  readonly views: Map<string, RepresentationSlot>;
}

/**
 * Keeps stored lists by cache key. It may forget anything at any time, and never mixes two keys.
 * At most 8 variants of one fingerprint are kept: a further one puts out that fingerprint's own oldest.
 */
export interface Store {
  get(key: CacheKey): StoredList | undefined;
  put(key: CacheKey, list: StoredList): void;
  /** Counts a list again that has grown by a view; does nothing when it is no longer the one kept. */
  updateSize(key: CacheKey, list: StoredList): void;
  delete(key: CacheKey): void;
  /** Forgets every variant of a fingerprint. */
  purge(fingerprint: Fingerprint): void;
  /** Whose lists are kept. */
  fingerprints(): Iterable<Fingerprint>;
  size(): StoreSize;
}

export const MAX_VARIANTS = 8;

/**
 * Keeps sealed bytes outside the process, by fingerprint and name. It may forget anything at any time, fail and be slow:
 * whoever uses it must be right without it.
 */
export interface RemoteStore {
  /** How long a write may take, for which nobody waits; as long as any other call where this is left out. */
  readonly writeMs?: number;
  read(fingerprint: Fingerprint, name: string): Promise<Uint8Array | undefined>;
  /** Keeps bytes for `retentionMs` at most; where it can tell, not after a purge since upstream was asked for them. */
  write(
    fingerprint: Fingerprint,
    name: string,
    bytes: Uint8Array,
    retentionMs: number,
    askedAt?: number,
  ): Promise<void>;
  delete(fingerprint: Fingerprint, name: string): Promise<void>;
  /**
   * Forgets all names of a fingerprint, and tells the neighbours that share this vault, where it can. What was sealed up
   * to `at` (ms since the epoch) and is written late, it may refuse.
   */
  purge(fingerprint: Fingerprint, at: number): Promise<void>;
  /** Gives true to one of several who claim the same: it is his for `ms`, or until it is released. */
  tryLock(fingerprint: Fingerprint, name: string, ms: number): Promise<boolean>;
  unlock(fingerprint: Fingerprint, name: string): Promise<void>;
  /** Has `near` forget what a neighbour purges, where the vault can tell. */
  subscribe(near: InvalidationTarget): void;
}

/** The lists in this process, as a vault that hears of a neighbour's purge sees them. */
export interface InvalidationTarget {
  fingerprints(): Iterable<Fingerprint>;
  forget(fingerprint: Fingerprint): void;
}

/** What the runtime can code and decode, off the hot path. Fails on bytes that are not in the coding. */
export interface Codec {
  /** Gives bytes of their own, no part of a larger buffer. */
  encode(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
  decode(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
}

export type Codecs = ReadonlyMap<Coding, Codec>;

/** Counts the bytes of all representations of a list. */
export function sizeInBytes(list: StoredList): number {
  let bytes = list.original.bytes.length;
  for (const [name, held] of list.views) {
    bytes += 2 * name.length + (held instanceof Promise ? 0 : held.bytes.length + REPRESENTATION_BYTES);
  }
  return bytes;
}

// Map slot, object, typed array, validator.
const REPRESENTATION_BYTES = 320;
