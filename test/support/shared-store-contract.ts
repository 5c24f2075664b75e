import { describe, expect, test } from "vitest";
import type { Log, LogFields } from "../../src/observability/log.ts";
import { createSharedCache, type SharedCache } from "../../src/storage/shared-store.ts";
import type { CacheKey, Coding, StoredList, RemoteStore, Codecs } from "../../src/storage/store.ts";
import type { StoreBackend, StoreGuarantees } from "./remote-store-contract.ts";

const KEY: CacheKey = { fingerprint: "a1".repeat(32), variant: "personalized" };
const OTHER: CacheKey = { ...KEY, variant: "canonical" };
const CREDENTIAL = "sk-nano-test-alice";
const OTHER_CREDENTIAL = "sk-nano-test-bob";
const MINUTE = 60_000;
const SETTINGS = {
  secret: "a secret that all processes share",
  maxAgeMs: MINUTE,
  staleWhileRevalidateMs: 5 * MINUTE,
  staleIfErrorMs: 60 * MINUTE,
  refusalMaxAgeMs: 5000,
};
const START = 1_750_000_000_000;

/** Defines the tests that a SharedCache must pass over any remote store. `start` gives an empty backend. */
export function sharedCacheContract(
  name: string,
  start: () => Promise<StoreBackend>,
  codecs: Codecs,
  { locksAreExclusive = true }: Partial<StoreGuarantees> = {},
): void {
  /** Two processes over one backend, each with its own clock. */
  async function peers(codecsOfB: Codecs = codecs) {
    const backend = await start();
    return { a: sharedPeer(await backend.open(), codecs), b: sharedPeer(await backend.open(), codecsOfB) };
  }

  describe(`lists shared through ${name}`, () => {
    test("are given back unchanged, also to a peer", async () => {
      const { a, b } = await peers();
      const list = { ...listOf(START), isBasic: true };
      await a.alice().set(list);
      for (const peer of [a, b]) expect(await peer.alice().get()).toEqual(list);
      expect(await b.alice(OTHER).get()).toBeUndefined();
      expect(b.metrics()).toMatchObject({ hits: 1, misses: 1, undecryptable: 0, failures: 0 });
    });

    test("are deleted one by one", async () => {
      const { a, b } = await peers();
      await a.alice().set(listOf(START));
      await a.alice(OTHER).set(listOf(START));
      await b.alice().delete();
      expect(await a.alice().get()).toBeUndefined();
      expect(await a.alice(OTHER).get()).toEqual(listOf(START));
    });

    test("do not open with another client's credential, and are then deleted", async () => {
      const { a, b } = await peers();
      await a.alice().set(listOf(START));
      // The same cache key, as after a defect in the fingerprint.
      expect(await b.as(OTHER_CREDENTIAL).get()).toBeUndefined();
      expect(b.metrics()).toMatchObject({ undecryptable: 1, hits: 0 });
      expect(await a.alice().get()).toBeUndefined();
      expect(a.metrics()).toMatchObject({ undecryptable: 0, misses: 1 });
    });

    test("are void after a purge, also those stored before it and written later", async () => {
      const { a, b } = await peers();
      await a.alice().set(listOf(START));
      await a.alice(OTHER).set(listOf(START));
      b.advance(10);
      await b.alice().purge();
      await b.alice().set(listOf(START + 10));
      for (const key of [KEY, OTHER]) {
        for (const peer of [a, b]) expect(await peer.alice(key).get()).toBeUndefined();
      }
      await b.alice().set(listOf(START + 11));
      expect(await b.alice().get()).toEqual(listOf(START + 11));
    });

    test("are void after a purge by fingerprint", async () => {
      const { a, b } = await peers();
      await a.alice().set(listOf(START));
      await b.shared.purge(KEY.fingerprint);
      for (const peer of [a, b]) expect(await peer.alice().get()).toBeUndefined();
    });

    test("are not used while a purge is pending", async () => {
      const remoteStore = await (await start()).open();
      let isFailing = true;
      const purge: RemoteStore["purge"] = (...args) =>
        isFailing ? Promise.reject(new Error("failed")) : remoteStore.purge(...args);
      const [a, b] = [sharedPeer({ ...remoteStore, purge }, codecs), sharedPeer(remoteStore, codecs)];
      // The peer's clock is ahead: by its storedAt alone this list would be newer than the purge.
      b.advance(30_000);
      await b.alice().set(listOf(START + 30_000));
      await a.alice().purge();
      expect(await a.alice().get()).toBeUndefined();
      expect(await b.alice().get()).toBeDefined();
      isFailing = false;
      expect(await a.alice().get()).toBeUndefined();
      expect(await b.alice().get()).toBeUndefined();
      expect(a.metrics()).toMatchObject({ failures: 2, misses: 2 });
      expect(a.lines.map((line) => (JSON.parse(line) as { level: string }).level)).toEqual(["warn", "info"]);
    });

    test("past every lifetime are a miss, and deleted", async () => {
      const { a, b } = await peers();
      await a.alice().set(listOf(START));
      b.advance(61 * MINUTE - 1);
      expect(await b.alice().get()).toEqual(listOf(START));
      b.advance(1);
      expect(await b.alice().get()).toBeUndefined();
      expect(await a.alice().get()).toBeUndefined();
      // Nor is a list shared that is too old already.
      await b.alice().set(listOf(START));
      expect(await a.alice().get()).toBeUndefined();
    });

    test("from more than a minute in the future are ignored", async () => {
      const { a, b } = await peers();
      a.advance(2 * MINUTE);
      await a.alice().set(listOf(START + MINUTE));
      expect(await b.alice().get()).toEqual(listOf(START + MINUTE));
      await a.alice().set(listOf(START + MINUTE + 1));
      expect(await b.alice().get()).toBeUndefined();
    });

    test("in a coding that this runtime cannot decode are a miss", async () => {
      const { a, b } = await peers(new Map());
      await a.alice().set(listOf(START, "gzip"));
      expect(await b.alice().get()).toBeUndefined();
      await a.alice().set(listOf(START, "identity"));
      expect(await b.alice().get()).toEqual(listOf(START, "identity"));
    });

    test("that are empty are not shared, and delete the list they replace", async () => {
      const { a, b } = await peers();
      await a.alice().set(listOf(START));
      await a.alice().set({ ...listOf(START + 1), isEmpty: true });
      expect(await b.alice().get()).toBeUndefined();
    });

    if (locksAreExclusive)
      test("are locked, and unlocked only by the process that took the lock", async () => {
        const { a, b } = await peers();
        const [first, second] = [a.alice(), b.alice()];
        expect(await first.tryLock(MINUTE)).toBe(true);
        expect(await second.tryLock(MINUTE)).toBe(false);
        await second.unlock();
        expect(await second.tryLock(MINUTE)).toBe(false);
        await first.unlock();
        expect(await second.tryLock(MINUTE)).toBe(true);
      });
  });
}

/** A SharedCache in one process, with its log lines and a movable clock. */
export interface SharedPeer {
  readonly shared: SharedCache;
  readonly lines: string[];
  alice(key?: CacheKey): ReturnType<SharedCache["entry"]>;
  as(credential: string): ReturnType<SharedCache["entry"]>;
  advance(ms: number): void;
  metrics(): ReturnType<SharedCache["metrics"]>;
}

export function sharedPeer(remoteStore: RemoteStore, codecs: Codecs): SharedPeer {
  let now = START;
  const lines: string[] = [];
  const write = (level: string) => (fields: LogFields, msg: string) => {
    lines.push(JSON.stringify({ level, ...fields, msg }));
  };
  const log: Log = { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
  const shared = createSharedCache(remoteStore, SETTINGS, {
    codecs,
    now: () => now,
    log,
    local: { fingerprints: () => [], invalidate: () => {} },
  });
  return {
    shared,
    lines,
    alice: (key = KEY) => shared.entry(key, CREDENTIAL),
    as: (credential) => shared.entry(KEY, credential),
    advance: (ms) => void (now += ms),
    metrics: () => shared.metrics(),
  };
}

function listOf(storedAt: number, coding: Coding = "gzip"): StoredList {
  const bytes = new TextEncoder().encode(`a list of ${storedAt}`);
  const original = { coding, bytes, etag: `W/"${"e".repeat(27)}"` };
  return { storedAt, isEmpty: false, isBasic: false, original, views: new Map() };
}
