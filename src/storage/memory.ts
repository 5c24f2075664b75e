import { LRUCache } from "lru-cache";
import type { Fingerprint } from "../http/credential.ts";
import { MAX_VARIANTS, type CacheKey, type Store, type StoredList, sizeInBytes } from "./store.ts";

interface StoredVariant {
  readonly variant: string;
  readonly list: StoredList;
}

// What a stored list costs beside its bytes: objects, keys, map slots (measured by test/bench/memory.ts).
const OVERHEAD_BYTES = 1024;
// No caller's lists take more than this part of the store from the others.
const MAX_SHARE = 4;

/** A store in this process's memory, holding `maxBytes` at most; the least recently used callers leave first. */
export function createMemoryStore(maxBytes: number): Store {
  let lists = 0;
  let evictions = 0;
  const maxPartBytes = Math.max(1, Math.floor(maxBytes / MAX_SHARE));
  const callers = new LRUCache<Fingerprint, readonly StoredVariant[]>({
    maxSize: maxBytes,
    // Ages are judged by `storedAt`: a cache that expires by a timer of its own stands still on Workers.
    sizeCalculation: (kept) => kept.reduce((sum, { list }) => sum + bytesOf(list), 0),
    onInsert: (kept) => {
      lists += kept.length;
    },
    dispose: (kept, _fingerprint, reason) => {
      lists -= kept.length;
      if (reason === "evict") evictions += kept.length;
    },
  });

  function keep(fingerprint: Fingerprint, kept: readonly StoredVariant[]): void {
    const fitting = kept.slice(-MAX_VARIANTS);
    let bytes = fitting.reduce((sum, { list }) => sum + bytesOf(list), 0);
    while (bytes > maxPartBytes) bytes -= bytesOf(fitting.shift()?.list);
    if (fitting.length === 0) callers.delete(fingerprint);
    // Always a new array: lru-cache counts a value again only when it is another one.
    else callers.set(fingerprint, fitting);
    evictions += kept.length - fitting.length;
  }

  const others = ({ fingerprint, variant }: CacheKey): StoredVariant[] =>
    (callers.peek(fingerprint) ?? []).filter((kept) => kept.variant !== variant);

  return {
    get: ({ fingerprint, variant }) =>
      callers.get(fingerprint)?.find((kept) => kept.variant === variant)?.list,
    put: (key, list) => keep(key.fingerprint, [...others(key), { variant: key.variant, list }]),
    updateSize(key, list) {
      const kept = callers.peek(key.fingerprint);
      if (kept?.some((one) => one.list === list)) keep(key.fingerprint, [...kept]);
    },
    delete(key) {
      const rest = others(key);
      if (rest.length === 0) callers.delete(key.fingerprint);
      else keep(key.fingerprint, rest);
    },
    purge: (fingerprint) => void callers.delete(fingerprint),
    fingerprints: () => callers.keys(),
    size: () => ({ lists, bytes: callers.calculatedSize, evictions }),
  };
}

function bytesOf(list: StoredList | undefined): number {
  return list === undefined ? 0 : OVERHEAD_BYTES + sizeInBytes(list);
}
