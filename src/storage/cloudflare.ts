import { createSingleValueStore, type SingleValueSettings, type KeyValueStore } from "./single-value.ts";
import type { RemoteStore } from "./store.ts";

/** The methods of a KV namespace that are used. */
export interface KvNamespace {
  get(key: string, options: { type: "arrayBuffer"; cacheTtl: number }): Promise<ArrayBuffer | null>;
  put(key: string, value: Uint8Array, options: { expirationTtl: number }): Promise<void>;
  delete(key: string): Promise<void>;
}

/** The methods of the Cache API that are used. */
export interface CacheStorage {
  open(name: string): Promise<{
    match(url: string): Promise<Response | undefined>;
    put(url: string, response: Response): Promise<void>;
    delete(url: string): Promise<boolean>;
  }>;
}

declare global {
  var caches: CacheStorage;
}

/** Cloudflare's Cache API as a remote store, in a cache of its own; each data centre has a separate one. */
export function createCacheApiStore(settings: SingleValueSettings): RemoteStore {
  return createSingleValueStore(cacheApi(), settings);
}

/** A KV namespace as a remote store: global, but a write or delete may take a minute to be seen elsewhere. */
export function createKvStore(namespace: KvNamespace, settings: SingleValueSettings): RemoteStore {
  return createSingleValueStore(kv(namespace), settings);
}

export function isKvNamespace(binding: unknown): binding is KvNamespace {
  return (
    typeof binding === "object" &&
    binding !== null &&
    ["get", "put", "delete"].every((name) => typeof Reflect.get(binding, name) === "function")
  );
}

// A reserved host name (RFC 2606 §2): no request goes there.
const PREFIX = "https://keylane.invalid/1/";
const KV_PREFIX = "keylane:1:";
// KV's minimum. For so long a data centre answers from its own cache what it has read, a miss included.
const KV_READ_SECONDS = 30;
// KV's minimum. A list stored longer than its lifetime is not served: it has its own `expiresAt`.
const KV_RETENTION_SECONDS = 60;

// Opened for each call: on Workers a handle from one request must not be used in another.
const open = () => caches.open("keylane");

function cacheApi(): KeyValueStore {
  return {
    label: "Cache API",
    async get(fingerprint) {
      const found = await (await open()).match(PREFIX + fingerprint);
      return found === undefined ? undefined : new Uint8Array(await found.arrayBuffer());
    },
    async put(fingerprint, bytes, retentionMs) {
      // The Cache API stores no response marked private. The value is encrypted, so `public` reveals nothing.
      const headers = { "Cache-Control": `public, max-age=${Math.ceil(retentionMs / 1000)}` };
      await (await open()).put(PREFIX + fingerprint, new Response(bytes, { headers }));
    },
    async delete(fingerprint) {
      await (await open()).delete(PREFIX + fingerprint);
    },
  };
}

function kv(namespace: KvNamespace): KeyValueStore {
  return {
    label: "KV",
    async get(fingerprint) {
      const options = { type: "arrayBuffer", cacheTtl: KV_READ_SECONDS } as const;
      const found = await namespace.get(KV_PREFIX + fingerprint, options);
      return found === null ? undefined : new Uint8Array(found);
    },
    async put(fingerprint, bytes, retentionMs) {
      const expirationTtl = Math.max(KV_RETENTION_SECONDS, Math.ceil(retentionMs / 1000));
      await namespace.put(KV_PREFIX + fingerprint, bytes, { expirationTtl });
    },
    async delete(fingerprint) {
      await namespace.delete(KV_PREFIX + fingerprint);
    },
  };
}
