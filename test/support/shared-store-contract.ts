import { describe, expect, test } from "vitest";
import type { Log, LogFields } from "../../src/observability/log.ts";
import { createSharedCache, type SharedCache } from "../../src/storage/shared-store.ts";
import type { CacheKey, Coding, StoredList, RemoteStore, Codecs } from "../../src/storage/store.ts";
import type { StorePlace, StoreGuarantees } from "./remote-store-guarantees.ts";

const KEY: CacheKey = { fingerprint: "a1".repeat(32), variant: "personalized" };
const OTHER: CacheKey = { ...KEY, variant: "canonical" };
const CREDENTIAL = "sk-nano-test-alice";
const STRANGER = "sk-nano-test-bob";
const MINUTE = 60_000;
const SETTINGS = {
  secret: "a secret that all of them share",
  maxAgeMs: MINUTE,
  staleWhileRevalidateMs: 5 * MINUTE,
  staleIfErrorMs: 60 * MINUTE,
  refusalMaxAgeMs: 5000,
};
const START = 1_750_000_000_000;

/** What a client may expect of a shared list, whatever the remote store is that keeps it. */
export function sharedCacheContract(
  name: string,
  start: () => Promise<StorePlace>,
  codecs: Codecs,
  { claimsAreExclusive = true }: Partial<StoreGuarantees> = {},
): void {
  /** Two processes over one remote store, each with a clock of its own. */
  async function peers(theirCodecs: Codecs = codecs) {
    const place = await start();
    return { a: sharedPeer(await place.open(), codecs), b: sharedPeer(await place.open(), theirCodecs) };
  }

  describe(`lists shared through ${name}`, () => {
    test("come back as they were kept, to a peer too", async () => {
      const { a, b } = await peers();
      const list = { ...listOf(START), isBasic: true };
      await a.alice().set(list);
      for (const one of [a, b]) expect(await one.alice().get()).toEqual(list);
      expect(await b.alice(OTHER).get()).toBeUndefined();
      expect(b.figures()).toMatchObject({ hits: 1, misses: 1, undecryptable: 0, failures: 0 });
    });

    test("are forgotten one by one", async () => {
      const { a, b } = await peers();
      await a.alice().set(listOf(START));
      await a.alice(OTHER).set(listOf(START));
      await b.alice().delete();
      expect(await a.alice().get()).toBeUndefined();
      expect(await a.alice(OTHER).get()).toEqual(listOf(START));
    });

    test("do not open with another's credential, and are then gone", async () => {
      const { a, b } = await peers();
      await a.alice().set(listOf(START));
      // The same cache key: what a mistake in the fingerprint would be.
      expect(await b.as(STRANGER).get()).toBeUndefined();
      expect(b.figures()).toMatchObject({ undecryptable: 1, hits: 0 });
      expect(await a.alice().get()).toBeUndefined();
      expect(a.figures()).toMatchObject({ undecryptable: 0, misses: 1 });
    });

    test("are void once purged, also what is kept late", async () => {
      const { a, b } = await peers();
      await a.alice().set(listOf(START));
      await a.alice(OTHER).set(listOf(START));
      b.advance(10);
      await b.alice().purge();
      await b.alice().set(listOf(START + 10));
      for (const key of [KEY, OTHER]) {
        for (const one of [a, b]) expect(await one.alice(key).get()).toBeUndefined();
      }
      await b.alice().set(listOf(START + 11));
      expect(await b.alice().get()).toEqual(listOf(START + 11));
    });

    test("are void once purged by their fingerprint", async () => {
      const { a, b } = await peers();
      await a.alice().set(listOf(START));
      await b.shared.purge(KEY.fingerprint);
      for (const one of [a, b]) expect(await one.alice().get()).toBeUndefined();
    });

    test("are not used while a purge has not reached the remote store", async () => {
      const place = await start();
      const remoteStore = await place.open();
      let isRefusing = true;
      const purge: RemoteStore["purge"] = (...args) =>
        isRefusing ? Promise.reject(new Error("refused")) : remoteStore.purge(...args);
      const reluctant = { ...remoteStore, purge };
      const [a, b] = [sharedPeer(reluctant, codecs), sharedPeer(remoteStore, codecs)];
      // A peer whose clock is ahead: by its time alone this list would be newer than the purge.
      b.advance(30_000);
      await b.alice().set(listOf(START + 30_000));
      await a.alice().purge();
      expect(await a.alice().get()).toBeUndefined();
      expect(await b.alice().get()).toBeDefined();
      isRefusing = false;
      expect(await a.alice().get()).toBeUndefined();
      expect(await b.alice().get()).toBeUndefined();
      expect(a.figures()).toMatchObject({ failures: 2, misses: 2 });
      expect(a.lines.map((line) => (JSON.parse(line) as { level: string }).level)).toEqual(["warn", "info"]);
    });

    test("older than any use are a miss, and deleted", async () => {
      const { a, b } = await peers();
      await a.alice().set(listOf(START));
      b.advance(61 * MINUTE - 1);
      expect(await b.alice().get()).toEqual(listOf(START));
      b.advance(1);
      expect(await b.alice().get()).toBeUndefined();
      expect(await a.alice().get()).toBeUndefined();
      // The same from the other side: what is old already is not shared at all.
      await b.alice().set(listOf(START));
      expect(await a.alice().get()).toBeUndefined();
    });

    test("from more than a minute ahead are ignored", async () => {
      const { a, b } = await peers();
      a.advance(2 * MINUTE);
      await a.alice().set(listOf(START + MINUTE));
      expect(await b.alice().get()).toEqual(listOf(START + MINUTE));
      await a.alice().set(listOf(START + MINUTE + 1));
      expect(await b.alice().get()).toBeUndefined();
    });

    test("in a coding that this runtime does not read are a miss", async () => {
      const { a, b } = await peers(new Map());
      await a.alice().set(listOf(START, "gzip"));
      expect(await b.alice().get()).toBeUndefined();
      await a.alice().set(listOf(START, "identity"));
      expect(await b.alice().get()).toEqual(listOf(START, "identity"));
    });

    test("that are empty are not shared, and neither is what they replace", async () => {
      const { a, b } = await peers();
      await a.alice().set(listOf(START));
      await a.alice().set({ ...listOf(START + 1), isEmpty: true });
      expect(await b.alice().get()).toBeUndefined();
    });

    if (claimsAreExclusive)
      test("are claimed, and released by it alone who claimed", async () => {
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

/** One process over the remote store. */
export interface SharedPeer {
  readonly shared: SharedCache;
  readonly lines: string[];
  alice(key?: CacheKey): ReturnType<SharedCache["entry"]>;
  as(credential: string): ReturnType<SharedCache["entry"]>;
  advance(ms: number): void;
  figures(): ReturnType<SharedCache["metrics"]>;
}

export function sharedPeer(remoteStore: RemoteStore, codecs: Codecs): SharedPeer {
  let now = START;
  const lines: string[] = [];
  const write = (level: string) => (fields: LogFields, msg: string) => {
    lines.push(JSON.stringify({ level, ...fields, msg }));
  };
  const log: Log = { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
  const sharing = createSharedCache(remoteStore, SETTINGS, {
    codecs,
    now: () => now,
    log,
    local: { fingerprints: () => [], invalidate: () => {} },
  });
  return {
    shared: sharing,
    lines,
    alice: (key = KEY) => sharing.entry(key, CREDENTIAL),
    as: (credential) => sharing.entry(KEY, credential),
    advance: (ms) => void (now += ms),
    figures: () => sharing.metrics(),
  };
}

function listOf(storedAt: number, coding: Coding = "gzip"): StoredList {
  const bytes = new TextEncoder().encode(`a list of ${storedAt}`);
  const original = { coding, bytes, etag: `W/"${"e".repeat(27)}"` };
  return { storedAt, isEmpty: false, isBasic: false, original, views: new Map() };
}
