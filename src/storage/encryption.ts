import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { concat } from "../async/bytes.ts";
import type { CacheKey, Coding, StoredList } from "./store.ts";

/** Encrypts and decrypts the lists of one client, for stores outside the process. */
export interface Seal {
  seal(key: CacheKey, list: StoredList): Uint8Array<ArrayBuffer>;
  /** Gives undefined for anything but a list sealed for this client under this cache key, in the current format. */
  open(key: CacheKey, sealed: Uint8Array): StoredList | undefined;
}

// The first byte of every sealed list: another format is a miss.
const FORMAT = 1;
const CIPHER = "aes-256-gcm";
const TAG_BYTES = 16;
const NONCE_BYTES = 12;
const HEAD_BYTES = 1 + 6 + NONCE_BYTES;
const CODINGS: readonly Coding[] = ["identity", "gzip", "br", "zstd"];
const IS_EMPTY = 4;
const IS_BASIC = 8;
const ETAG_LENGTH = 27;

/**
 * Creates the seal of one client. Its key is derived (HKDF-SHA-256, RFC 5869) from CACHE_SECRET and the client's
 * credential: neither alone opens anything, and one client cannot open another's list even by mistake.
 *
 * The format of a sealed list, with lengths in bytes. It adds 63 bytes and no padding, so a store can estimate how many
 * models a list has:
 *
 *     format 1 · storedAt 6 · nonce 12 · [ coding and flags 1 · validator 27 · coded bytes ] · tag 16
 *
 * The part in brackets is encrypted with AES-256-GCM; format, storedAt, nonce and cache key are additional data.
 */
export function createSeal(secret: string, credential: string): Seal {
  const material = `${secret.length} ${secret}${credential}`;
  const key = new Uint8Array(hkdfSync("sha256", material, "keylane", `sealed list ${FORMAT}`, 32));
  return {
    seal(cacheKey, list) {
      const head = createHead(list.storedAt);
      const cipher = createCipheriv(CIPHER, key, head.subarray(-NONCE_BYTES));
      cipher.setAAD(additionalData(head, cacheKey));
      const { original } = list;
      const parts = [head, cipher.update(flagsAndValidator(list)), cipher.update(original.bytes), cipher.final()];
      return concat([...parts, cipher.getAuthTag()]);
    },
    open(cacheKey, sealed) {
      if (sealed.length < HEAD_BYTES + 1 + ETAG_LENGTH + TAG_BYTES || sealed[0] !== FORMAT) return undefined;
      const head = sealed.subarray(0, HEAD_BYTES);
      const decipher = createDecipheriv(CIPHER, key, head.subarray(-NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(additionalData(head, cacheKey));
      decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
      try {
        const plain = concat([decipher.update(sealed.subarray(HEAD_BYTES, -TAG_BYTES)), decipher.final()]);
        return parseList(storedAtOf(head), plain);
      } catch {
        return undefined;
      }
    },
  };
}

/** The `storedAt` of a sealed list, read without decrypting it, so not authenticated; undefined for other bytes. */
export function sealedAt(sealed: Uint8Array): number | undefined {
  return sealed.length > HEAD_BYTES && sealed[0] === FORMAT ? storedAtOf(sealed) : undefined;
}

// Neither part of a cache key contains a line break: no two keys give the same bytes.
function additionalData(head: Uint8Array, { fingerprint, variant }: CacheKey): Uint8Array {
  return concat([head, new TextEncoder().encode(`${fingerprint}\n${variant}`)]);
}

function createHead(storedAt: number): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES);
  const view = new DataView(head.buffer);
  view.setUint8(0, FORMAT);
  view.setUint16(1, Math.floor(storedAt / 2 ** 32));
  view.setUint32(3, storedAt % 2 ** 32);
  head.set(randomBytes(NONCE_BYTES), HEAD_BYTES - NONCE_BYTES);
  return head;
}

function storedAtOf(head: Uint8Array): number {
  const view = new DataView(head.buffer, head.byteOffset);
  return view.getUint16(1) * 2 ** 32 + view.getUint32(3);
}

function flagsAndValidator({ original, isEmpty, isBasic }: StoredList): Uint8Array {
  const flags = CODINGS.indexOf(original.coding) | (isEmpty ? IS_EMPTY : 0) | (isBasic ? IS_BASIC : 0);
  return concat([Uint8Array.of(flags), new TextEncoder().encode(original.etag.slice(3, -1))]);
}

function parseList(storedAt: number, plain: Uint8Array<ArrayBuffer>): StoredList {
  const flags = plain[0] ?? 0;
  const opaque = new TextDecoder().decode(plain.subarray(1, 1 + ETAG_LENGTH));
  return {
    storedAt,
    isEmpty: (flags & IS_EMPTY) !== 0,
    isBasic: (flags & IS_BASIC) !== 0,
    original: {
      coding: CODINGS[flags & 3] ?? "identity",
      bytes: plain.slice(1 + ETAG_LENGTH),
      etag: `W/"${opaque}"`,
    },
    views: new Map(),
  };
}
