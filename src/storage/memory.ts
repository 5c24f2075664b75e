import { LRUCache } from "lru-cache";
import type { Fingerprint } from "../http/credential.ts";
import { MAX_VARIANTS, type CacheKey, type Store, type StoredList } from "./store.ts";

interface StoredVariant {
  readonly variant: string;
  readonly list: StoredList;
}

// Memory that a stored list takes beside its bytes: objects, keys, map slots (measured by test/bench/memory.ts).
const OVERHEAD_BYTES = 1024;
// No client's lists take more than this share of the store.
const MAX_SHARE = 1 / 4;

/** Stores up to `maxBytes` of lists in the process; evicts the least recently used clients first. */
export function createMemoryStore(maxBytes: number): Store {
  let lists = 0;
  let evictions = 0;
  const maxBytesPerClient = Math.max(1, Math.floor(maxBytes * MAX_SHARE));
  const clients = new LRUCache<Fingerprint, readonly StoredVariant[]>({
    maxSize: maxBytes,
    // No `ttl`: age is computed from `storedAt`, since lru-cache's own clock stops between requests on Workers.
    sizeCalculation: (variants) => variants.reduce((sum, { list }) => sum + bytesOf(list), 0),
    onInsert: (variants) => {
      lists += variants.length;
    },
    dispose: (variants, _fingerprint, reason) => {
      lists -= variants.length;
      if (reason === "evict") evictions += variants.length;
    },
  });

  function set(fingerprint: Fingerprint, variants: readonly StoredVariant[]): void {
    const fitting = variants.slice(-MAX_VARIANTS);
    let bytes = fitting.reduce((sum, { list }) => sum + bytesOf(list), 0);
    while (bytes > maxBytesPerClient) bytes -= bytesOf(fitting.shift()?.list);
    if (fitting.length === 0) clients.delete(fingerprint);
    // Always a new array: lru-cache recomputes the size only when the value is another one.
    else clients.set(fingerprint, fitting);
    evictions += variants.length - fitting.length;
  }

  const others = ({ fingerprint, variant }: CacheKey): StoredVariant[] =>
    (clients.peek(fingerprint) ?? []).filter((one) => one.variant !== variant);

  return {
    get: ({ fingerprint, variant }) => clients.get(fingerprint)?.find((one) => one.variant === variant)?.list,
    put: (key, list) => set(key.fingerprint, [...others(key), { variant: key.variant, list }]),
    updateSize(key, list) {
      const variants = clients.peek(key.fingerprint);
      if (variants?.some((one) => one.list === list)) set(key.fingerprint, [...variants]);
    },
    delete(key) {
      const rest = others(key);
      if (rest.length === 0) clients.delete(key.fingerprint);
      else set(key.fingerprint, rest);
    },
    purge: (fingerprint) => void clients.delete(fingerprint),
    fingerprints: () => clients.keys(),
    size: () => ({ lists, bytes: clients.calculatedSize, evictions }),
  };
}

function bytesOf(list: StoredList | undefined): number {
  return list === undefined ? 0 : OVERHEAD_BYTES + sizeInBytes(list);
}

/** The size of all representations of a list. */
export function sizeInBytes(list: StoredList): number {
  let bytes = list.original.bytes.length;
  for (const [name, view] of list.views) {
    bytes += 2 * name.length + (view instanceof Promise ? 0 : view.bytes.length + REPRESENTATION_BYTES);
  }
  return bytes;
}

// Map slot, object, typed array, ETag.
const REPRESENTATION_BYTES = 320;
