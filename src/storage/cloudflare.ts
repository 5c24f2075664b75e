import type { RemoteStore } from "./store.ts";
import { createSingleValueStore, type SingleValueSettings, type KeyValueStore } from "./single-value.ts";

/** What is used of a KV namespace. */
export interface KvNamespace {
  get(key: string, options: { type: "arrayBuffer"; cacheTtl: number }): Promise<ArrayBuffer | null>;
  put(key: string, value: Uint8Array, options: { expirationTtl: number }): Promise<void>;
  delete(key: string): Promise<void>;
}

/** What is used of the Cache API. */
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

/** A vault in Cloudflare's Cache API, in a namespace of its own: each data centre has one, and knows of no other. */
export function createCacheApiStore(settings: SingleValueSettings): RemoteStore {
  return createSingleValueStore(inCache(), settings);
}

/** A vault in a KV namespace: one for the whole world, where a place may see what another wrote or deleted a minute later. */
export function createKvStore(namespace: KvNamespace, settings: SingleValueSettings): RemoteStore {
  return createSingleValueStore(inKv(namespace), settings);
}

/** Says whether a binding is a KV namespace. */
export function isKvNamespace(binding: unknown): binding is KvNamespace {
  return (
    typeof binding === "object" &&
    binding !== null &&
    ["get", "put", "delete"].every((name) => typeof Reflect.get(binding, name) === "function")
  );
}

// A host that is nobody's (RFC 2606 §2): nothing is ever asked for there.
const PREFIX = "https://keylane.invalid/1/";
const KV_PREFIX = "keylane:1:";
// The least that KV takes. An answer, a miss too, is repeated so long in the place that read it.
const KV_READ_SECONDS = 30;
// The least that KV takes. What lies there longer than it may is dead all the same: every list has its own time.
const KV_RETENTION_SECONDS = 60;

// Opened anew each time: what one request opened is not to be relied on in another.
const open = () => caches.open("keylane");

function inCache(): KeyValueStore {
  return {
    async get(fingerprint) {
      const found = await (await open()).match(PREFIX + fingerprint);
      return found === undefined ? undefined : new Uint8Array(await found.arrayBuffer());
    },
    async put(fingerprint, bytes, retentionMs) {
      // Nothing else is kept by the Cache API; who may read it is settled by the seal.
      const headers = { "Cache-Control": `public, max-age=${Math.ceil(retentionMs / 1000)}` };
      await (await open()).put(PREFIX + fingerprint, new Response(bytes, { headers }));
    },
    async delete(fingerprint) {
      await (await open()).delete(PREFIX + fingerprint);
    },
  };
}

function inKv(namespace: KvNamespace): KeyValueStore {
  return {
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
