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
import { remoteStoreContract } from "../support/remote-store-contract.ts";
import type { StorePlace } from "../support/remote-store-guarantees.ts";

// The contract over Cloudflare's own simulators of the two stores, called from here through Miniflare's proxies.
const PROMISES = {
  leastRetentionMs: 1000,
  claimsAreExclusive: false,
  purgesAreHeard: false,
  lateWritesAreRefused: false,
};
// A machine that is busy may take longer for a call than anybody waits for a store, which is a miss.
describe("of Cloudflare's simulators", { retry: 2 }, () => {
  remoteStoreContract("the Cache API", inCache, PROMISES);
  sharedCacheContract("the Cache API", inCache, codecs, PROMISES);
  remoteStoreContract("a KV namespace", inKv, PROMISES);
  sharedCacheContract("a KV namespace", inKv, codecs, PROMISES);
});

const settings = { maxBytes: 2 ** 24, now: Date.now, waitUntil: () => {} };

async function inCache(): Promise<StorePlace> {
  const miniflare = simulator();
  globalThis.caches = (await miniflare.getCaches()) as unknown as CacheStorage;
  return opened(() => createCacheApiStore(settings));
}

async function inKv(): Promise<StorePlace> {
  const namespace = (await simulator().getKVNamespace("LISTS")) as unknown as KvNamespace;
  return opened(() => createKvStore(namespace, settings));
}

// The first call starts the simulator, which takes longer than anybody waits for a store.
async function opened(remoteStore: () => RemoteStore): Promise<StorePlace> {
  await remoteStore().write("nobody", "nothing", new Uint8Array(44), 60_000);
  await remoteStore().read("nobody", "nothing");
  return { open: async () => remoteStore() };
}

function simulator(): Miniflare {
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
