import type { Fingerprint } from "../http/credential.ts";
import type { StoreSize } from "../observability/metrics.ts";

/** Identifies a stored list: no two clients share a fingerprint, no two lists of one client a variant. */
export interface CacheKey {
  readonly fingerprint: Fingerprint;
  readonly variant: string;
}

/** A content coding (RFC 9110 §8.4.1). */
export type Coding = "br" | "gzip" | "zstd" | "identity";

/** A response body ready to be sent. */
export interface Representation {
  readonly coding: Coding;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Weak, a digest of the uncoded bytes: the same for every coding (RFC 9110 §8.8.1). */
  readonly etag: string;
}

/** A representation being rendered; undefined where the list has no such model. */
export type PendingRepresentation = Promise<Representation | undefined>;

/** A list as upstream sent it, in one coding, with the representations rendered from it so far. */
export interface StoredList {
  /** When upstream answered, in milliseconds since the epoch. */
  readonly storedAt: number;
  /** Upstream sent `data: []`, which is served for a short time only. */
  readonly isEmpty: boolean;
  /** No model has a field besides the four of the basic shape, so a request for that shape gets `original`. */
  readonly isBasic: boolean;
  /** The body of the whole list with every model unchanged. All views are rendered from it. */
  readonly original: Representation;
  /**
   * Other bodies, rendered when first requested: another coding, another shape or a single model. The key names these
   * three; a promise is a body that is being rendered.
   */
  readonly views: Map<string, Representation | PendingRepresentation>;
}

/**
 * Stores lists by cache key. It may evict anything at any time, and never mixes two keys. It stores at most 8 variants
 * of a fingerprint: a further one evicts the oldest of these.
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
  /** Its name in log messages, such as `Redis`. */
  readonly label: string;
  /** Time limit of a write where writes happen in the background; by default that of any other call. */
  readonly writeMs?: number;
  read(fingerprint: Fingerprint, name: string): Promise<Uint8Array | undefined>;
  /** Stores bytes for `retentionMs` at most, unless it knows of a purge of the fingerprint after `fetchStartedAt`. */
  write(
    fingerprint: Fingerprint,
    name: string,
    bytes: Uint8Array,
    retentionMs: number,
    fetchStartedAt?: number,
  ): Promise<void>;
  delete(fingerprint: Fingerprint, name: string): Promise<void>;
  /**
   * Deletes all names of a fingerprint, and announces that to the peers, where it can. It may reject later writes of
   * bytes that were sealed up to `at` (ms since the epoch).
   */
  purge(fingerprint: Fingerprint, at: number): Promise<void>;
  /** Takes the lock of a list for `ms`, or until it is unlocked. Gives false if another process has it. */
  tryLock(fingerprint: Fingerprint, name: string, ms: number): Promise<boolean>;
  unlock(fingerprint: Fingerprint, name: string): Promise<void>;
  /** Calls `target.invalidate` for each purge announced by a peer, if the store supports it. */
  subscribe(target: InvalidationTarget): void;
}

/** Receives the purges announced by peers, for one process. */
export interface InvalidationTarget {
  /** All fingerprints with lists in this process: the store may look up whether it missed a purge of one. */
  fingerprints(): Iterable<Fingerprint>;
  /** Removes the lists of a fingerprint from this process. */
  invalidate(fingerprint: Fingerprint): void;
  /** Called when the store begins to answer, and every few seconds while it does. */
  onReady(): void;
}

/** Encodes and decodes one content coding. Decoding rejects for bytes that are not in the coding. */
export interface Codec {
  /** Gives bytes with a buffer of their own, not a part of a larger one. */
  encode(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
  decode(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
}

export type Codecs = ReadonlyMap<Coding, Codec>;
