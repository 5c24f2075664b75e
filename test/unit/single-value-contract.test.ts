// The single-value store passes the contracts of remote stores and shared lists.
import { codecs } from "../../src/node/codecs.ts";
import { createSingleValueStore } from "../../src/storage/single-value.ts";
import { sharedCacheContract } from "../support/shared-store-contract.ts";
import { remoteStoreContract, type StoreBackend } from "../support/remote-store-contract.ts";

const GUARANTEES = {
  minRetentionMs: 100,
  locksAreExclusive: false,
  purgesAreAnnounced: false,
  lateWritesAreRejected: false,
};

remoteStoreContract("a single-value store", startBackend, GUARANTEES);
sharedCacheContract("a single-value store", startBackend, codecs, GUARANTEES);

// The key-value store never expires anything.
async function startBackend(): Promise<StoreBackend> {
  const values = new Map<string, Uint8Array>();
  const keyValueStore = {
    label: "store",
    get: async (fingerprint: string) => values.get(fingerprint),
    put: async (fingerprint: string, bytes: Uint8Array) => void values.set(fingerprint, bytes),
    delete: async (fingerprint: string) => void values.delete(fingerprint),
  };
  const settings = { maxBytes: 2 ** 24, now: Date.now, waitUntil: () => {} };
  return { open: async () => createSingleValueStore(keyValueStore, settings) };
}
