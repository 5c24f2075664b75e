import type { Fingerprint } from "../http/credential.ts";
import type { StoreSize } from "../observability/metrics.ts";

/** Identifies a stored list: no two clients share a fingerprint, no two lists of a client a variant. */
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

/** A representation being rendered; undefined where the list has no such model. */
export type PendingRepresentation = Promise<Representation | undefined>;

/** A list as upstream sent it, in one coding, with the representations rendered from it since. */
export interface StoredList {
  /** Milliseconds since the epoch, when upstream answered. */
  readonly storedAt: number;
  /** Upstream sent `data: []`, which is served for a short time only. */
  readonly isEmpty: boolean;
  /** Every row has the four basic fields and no other, so that the basic shape is the list itself. */
  readonly isBasic: boolean;
  /** The whole list, rows as they came. */
  readonly original: Representation;
  /** Rendered on demand, by view (shape or one model) and coding. */
  readonly views: Map<string, Representation | PendingRepresentation>;
}

/**
 * Stores lists by cache key. It may evict anything at any time, and never mixes two keys. It stores at most 8 variants of
 * one fingerprint: a further one evicts that fingerprint's own oldest.
 */
export interface Store {
  get(key: CacheKey): StoredList | undefined;
  put(key: CacheKey, list: StoredList): void;
  /** Accounts for a view added to a list; does nothing when that list is no longer stored. */
  updateSize(key: CacheKey, list: StoredList): void;
  delete(key: CacheKey): void;
  /** Removes every variant of a fingerprint. */
  purge(fingerprint: Fingerprint): void;
  fingerprints(): Iterable<Fingerprint>;
  size(): StoreSize;
}

export const MAX_VARIANTS = 8;

/**
 * Stores sealed bytes outside the process, by fingerprint and name. It may lose anything at any time, fail and be slow:
 * its users must be correct without it.
 */
export interface RemoteStore {
  /** Names it in log messages, such as `Redis`. */
  readonly label: string;
  /** Time limit of a write, where writes happen in the background; undefined: that of any other call. */
  readonly writeMs?: number;
  read(fingerprint: Fingerprint, name: string): Promise<Uint8Array | undefined>;
  /** Stores bytes for `retentionMs` at most, unless the fingerprint was purged after `fetchStartedAt` (where it can tell). */
  write(
    fingerprint: Fingerprint,
    name: string,
    bytes: Uint8Array,
    retentionMs: number,
    fetchStartedAt?: number,
  ): Promise<void>;
  delete(fingerprint: Fingerprint, name: string): Promise<void>;
  /**
   * Deletes all names of a fingerprint, and announces that to the peers, where it can. It may refuse later writes of what
   * was sealed up to `at` (ms since the epoch).
   */
  purge(fingerprint: Fingerprint, at: number): Promise<void>;
  /** Takes the lock of a list for `ms`, or until it is unlocked. Gives false where a peer holds it. */
  tryLock(fingerprint: Fingerprint, name: string, ms: number): Promise<boolean>;
  unlock(fingerprint: Fingerprint, name: string): Promise<void>;
  /** Calls `target.invalidate` for each purge announced by a peer, if the store supports it. */
  subscribe(target: InvalidationTarget): void;
}

/** What a remote store tells a process that subscribes to it. */
export interface InvalidationTarget {
  /** The fingerprints with lists in this process, some of whose purges may have been missed. */
  fingerprints(): Iterable<Fingerprint>;
  invalidate(fingerprint: Fingerprint): void;
  /** The store answers: now, and every few seconds while it does. */
  onReady(): void;
}

/** A content coding of the runtime, off the hot path. Decoding rejects for bytes that are not in the coding. */
export interface Codec {
  /** Gives a buffer of its own, no part of a larger one. */
  encode(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
  decode(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
}

export type Codecs = ReadonlyMap<Coding, Codec>;
