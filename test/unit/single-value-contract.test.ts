import { codecs } from "../../src/node/codecs.ts";
import { createSingleValueStore } from "../../src/storage/single-value.ts";
import { sharedCacheContract } from "../support/shared-store-contract.ts";
import { remoteStoreContract } from "../support/remote-store-contract.ts";
import type { StorePlace } from "../support/remote-store-guarantees.ts";

const PROMISES = {
  leastRetentionMs: 100,
  claimsAreExclusive: false,
  purgesAreHeard: false,
  lateWritesAreRefused: false,
};

remoteStoreContract("a bundle", inBundles, PROMISES);
sharedCacheContract("a bundle", inBundles, codecs, PROMISES);

// The bundling remote store of Workers, over a store that keeps everything for ever.
async function inBundles(): Promise<StorePlace> {
  const values = new Map<string, Uint8Array>();
  const single = {
    label: "store",
    get: async (fingerprint: string) => values.get(fingerprint),
    put: async (fingerprint: string, bytes: Uint8Array) => void values.set(fingerprint, bytes),
    delete: async (fingerprint: string) => void values.delete(fingerprint),
  };
  const settings = { maxBytes: 2 ** 24, now: Date.now, waitUntil: () => {} };
  return { open: async () => createSingleValueStore(single, settings) };
}
