import { createSingleValueStore, type KeyValueStore } from "../../src/storage/single-value.ts";
import type { RemoteStore } from "../../src/storage/store.ts";

/** A bundling remote store over a store that lies open. */
export interface StoreSetup {
  readonly store: RemoteStore;
  readonly values: Map<string, Uint8Array>;
  readonly retentions: number[];
  /** What was done to the store under the remote store. */
  readonly done: string[];
  /** Runs once, before the next call of that kind is carried out. */
  before(kind: "get" | "put" | "delete", act: () => Promise<void>): void;
  purge(fingerprint: string): Promise<void>;
  advance(ms: number): void;
  /** Ends what outlives the request. */
  settle(): Promise<void>;
}

/** Sets it up; one fingerprint's lists may take `maxBytes`. */
export function storeSetup(maxBytes = 1000): StoreSetup {
  const values = new Map<string, Uint8Array>();
  const done: string[] = [];
  const retentions: number[] = [];
  const acts = new Map<string, () => Promise<void>>();
  const outliving: Promise<unknown>[] = [];
  let now = 1_800_000_000_000;

  async function beforehand(kind: string): Promise<void> {
    const act = acts.get(kind);
    acts.delete(kind);
    await act?.();
  }
  const single: KeyValueStore = {
    label: "store",
    async get(fingerprint) {
      const found = values.get(fingerprint);
      await beforehand("get");
      return found;
    },
    async put(fingerprint, bytes, retentionMs) {
      await beforehand("put");
      done.push("put");
      retentions.push(retentionMs);
      values.set(fingerprint, bytes);
    },
    async delete(fingerprint) {
      await beforehand("delete");
      done.push("delete");
      values.delete(fingerprint);
    },
  };
  const store = createSingleValueStore(single, {
    maxBytes,
    now: () => now,
    waitUntil: (work) => void outliving.push(work),
  });
  const purging: { purge(fingerprint: string, at: number): Promise<void> } = store;
  return {
    store,
    purge: (fingerprint) => purging.purge(fingerprint, now),
    values,
    retentions,
    done,
    before: (kind, act) => void acts.set(kind, act),
    advance: (ms) => void (now += ms),
    settle: async () => void (await Promise.all(outliving)),
  };
}
