// Both stores of Cloudflare pass the contracts of remote stores and shared lists, in Cloudflare's own simulators.
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { describe, onTestFinished } from "vitest";
import { codecs } from "../../src/node/codecs.ts";
import type { RemoteStore } from "../../src/storage/store.ts";
import {
  createCacheApiStore,
  createKvStore,
  type CacheStorage,
  type KvNamespace,
} from "../../src/storage/cloudflare.ts";
import { sharedCacheContract } from "../support/shared-store-contract.ts";
import { remoteStoreContract, type StoreBackend } from "../support/remote-store-contract.ts";

const GUARANTEES = {
  minRetentionMs: 1000,
  locksAreExclusive: false,
  purgesAreAnnounced: false,
  lateWritesAreRejected: false,
};
// On a busy machine a call can exceed its timeout, which is a miss.
describe("in Cloudflare's simulators", { retry: 2 }, () => {
  remoteStoreContract("the Cache API", startCacheApi, GUARANTEES);
  sharedCacheContract("the Cache API", startCacheApi, codecs, GUARANTEES);
  remoteStoreContract("a KV namespace", startKv, GUARANTEES);
  sharedCacheContract("a KV namespace", startKv, codecs, GUARANTEES);
});

const settings = { maxBytes: 2 ** 24, now: Date.now, waitUntil: () => {} };

async function startCacheApi(): Promise<StoreBackend> {
  const miniflare = startSimulator();
  globalThis.caches = (await miniflare.getCaches()) as unknown as CacheStorage;
  return backendOf(() => createCacheApiStore(settings));
}

async function startKv(): Promise<StoreBackend> {
  const namespace = (await startSimulator().getKVNamespace("LISTS")) as unknown as KvNamespace;
  return backendOf(() => createKvStore(namespace, settings));
}

// The first call starts the simulator, which takes longer than the timeout of a call.
async function backendOf(createStore: () => RemoteStore): Promise<StoreBackend> {
  const remoteStore = createStore();
  await remoteStore.write("fingerprint", "name", new Uint8Array(44), 60_000);
  await remoteStore.read("fingerprint", "name");
  return { open: async () => createStore() };
}

function startSimulator(): Miniflare {
  const worker = {
    modules: true,
    script: "export default {};",
    compatibilityDate: "2026-10-20",
    kvNamespaces: ["LISTS"],
  };
  const miniflare = new Miniflare(convertV4MiniflareOptions({ workers: [worker], cf: false }));
  onTestFinished(() => miniflare.dispose());
  return miniflare;
}
