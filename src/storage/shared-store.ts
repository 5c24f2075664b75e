import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Fingerprint } from "../http/credential.ts";
import { age, CLOCK_SKEW_MS, lifetimesOf, retentionMs, type ListLifetimes, type Clock } from "../http/freshness.ts";
import type { Log } from "../observability/log.ts";
import type { SharedStoreMetrics } from "../observability/metrics.ts";
import { createCircuitBreaker } from "./circuit-breaker.ts";
import { createSeal } from "./encryption.ts";
import type { CacheKey, Codecs, InvalidationTarget, RemoteStore, StoredList } from "./store.ts";

/** Lists that several processes share through a remote store. It never fails, and hardly ever waits. */
export interface SharedCache {
  /** The entry of one cache key, for the client whose credential this is. */
  entry(key: CacheKey, credential: string): SharedEntry;
  /** Deletes all entries of a fingerprint; a list from before that a peer still writes is not used. */
  purge(fingerprint: Fingerprint): Promise<void>;
  metrics(): SharedStoreMetrics;
}

export interface SharedEntry {
  get(): Promise<StoredList | undefined>;
  /**
   * Writes a list whose fetch began at `fetchStartedAt` (ms since the epoch), unless the fingerprint was purged since. An
   * empty list may be upstream's mistake: it is not shared, and the entry is deleted.
   */
  set(list: StoredList, fetchStartedAt?: number): Promise<void>;
  delete(): Promise<void>;
  /** Deletes all entries of this client. */
  purge(): Promise<void>;
  /** Gives false where a peer is known to hold the lock, which expires after `ms`. */
  tryLock(ms: number): Promise<boolean>;
  /** Releases the lock where this process holds it. */
  unlock(): Promise<void>;
}

export interface SharedCacheSettings extends ListLifetimes {
  readonly secret: string;
}

export interface SharedCacheDeps {
  readonly codecs: Codecs;
  readonly now: Clock;
  readonly log: Log;
  /** The lists of this process, which a peer's purge removes. */
  readonly local: Omit<InvalidationTarget, "onReady">;
}

const MAX_PURGES = 5000;

interface Purge {
  readonly at: number;
  /** The remote store has not confirmed it. */
  isPending: boolean;
}

/** Shares lists through a remote store, sealed so that the store learns nothing of them. */
export function createSharedCache(
  store: RemoteStore,
  settings: SharedCacheSettings,
  { codecs, now, log, local }: SharedCacheDeps,
): SharedCache {
  // Recent purges. Lists stored before one are void; while it is pending, so is everything in the remote store.
  const purges = new LRUCache<Fingerprint, Purge>({ max: MAX_PURGES });
  const breaker = createCircuitBreaker(store, now, log);
  // Keyed, so that a reader of the store cannot find out what is stored under a name by trying names.
  const nameSecret = hash("sha256", `names ${settings.secret}`);
  let hits = 0;
  let misses = 0;
  let undecryptable = 0;
  let isFlushing = false;
  store.subscribe({ ...local, onReady: () => void flushPending() });

  async function purge(fingerprint: Fingerprint): Promise<void> {
    const purge = { at: now(), isPending: true };
    purges.set(fingerprint, purge);
    await breaker.execute("purge", () => sendPurge(fingerprint, purge), "force");
  }

  async function sendPurge(fingerprint: Fingerprint, purge: Purge): Promise<void> {
    await store.purge(fingerprint, purge.at);
    // Also where this comes too late for the request that waited.
    purge.isPending = false;
  }

  /** Sends what is pending as soon as the store works again, without waiting for a request of that client. */
  async function flushPending(): Promise<void> {
    if (isFlushing) return;
    isFlushing = true;
    for (const [fingerprint, purge] of purges.entries()) {
      // One that fails does not keep the others from being sent.
      if (purge.isPending) await sendPurge(fingerprint, purge).catch(() => {});
    }
    isFlushing = false;
  }

  /** Whether the remote store's lists of a fingerprint may be used; sends its pending purge first. */
  async function isUsable(fingerprint: Fingerprint): Promise<boolean> {
    const last = purges.get(fingerprint);
    if (last?.isPending === true) await breaker.execute("purge", () => sendPurge(fingerprint, last));
    return last?.isPending !== true;
  }

  // After a clock was set back, an instant from before that must not void everything for as long as the step was wide.
  function purgedAt(fingerprint: Fingerprint): number {
    const at = purges.get(fingerprint)?.at ?? -1;
    return at <= now() + CLOCK_SKEW_MS ? at : -1;
  }

  /** How long a list may still be used; 0 or less where it may not. */
  function remainingLifetimeMs(list: StoredList, fingerprint: Fingerprint): number {
    const { storedAt, original } = list;
    const isVoid = storedAt <= purgedAt(fingerprint) || storedAt > now() + CLOCK_SKEW_MS;
    if (isVoid || !(original.coding === "identity" || codecs.has(original.coding))) return 0;
    return retentionMs(lifetimesOf(list, settings)) - age(storedAt, now());
  }

  function entry(key: CacheKey, credential: string): SharedEntry {
    const { fingerprint } = key;
    // Computed only where the remote store is used, which a hit in memory does not.
    let cachedName: string | undefined;
    let cachedSeal: ReturnType<typeof createSeal> | undefined;
    const name = () =>
      (cachedName ??= hash("sha256", `${nameSecret}\n${fingerprint}\n${key.variant}`, "base64url").slice(0, 22));
    const sealer = () => (cachedSeal ??= createSeal(settings.secret, credential));
    let isLocked = false;

    const remove = () => breaker.execute("delete", () => store.delete(fingerprint, name()).then(() => true));

    async function read(): Promise<StoredList | undefined> {
      if (!(await isUsable(fingerprint))) return undefined;
      const sealed = await breaker.execute("read", () => store.read(fingerprint, name()));
      if (sealed === undefined) return undefined;
      const list = sealer().open(key, sealed);
      if (list === undefined) undecryptable++;
      if (list !== undefined && remainingLifetimeMs(list, fingerprint) > 0) return list;
      await remove();
      return undefined;
    }

    async function write(list: StoredList, fetchStartedAt: number): Promise<void> {
      const lifetimeMs = remainingLifetimeMs(list, fingerprint);
      if (lifetimeMs <= 0) return;
      const sealed = sealer().seal(key, list);
      await breaker.execute("write", () => store.write(fingerprint, name(), sealed, lifetimeMs, fetchStartedAt));
    }

    // If the delete fails, all of the fingerprint is purged: removing too much costs one fetch.
    async function deleteEntry(): Promise<void> {
      if ((await remove()) === undefined) await purge(fingerprint);
    }

    return {
      async get() {
        const list = await read();
        if (list === undefined) misses++;
        else hits++;
        return list;
      },
      async set(list, fetchStartedAt = list.storedAt) {
        if (list.isEmpty) await deleteEntry();
        else if (fetchStartedAt > purgedAt(fingerprint) && (await isUsable(fingerprint)))
          await write(list, fetchStartedAt);
      },
      delete: deleteEntry,
      purge: () => purge(fingerprint),
      async tryLock(ms) {
        const answer = await breaker.execute("tryLock", () => store.tryLock(fingerprint, name(), ms));
        isLocked = answer === true;
        // A store that fails must not keep this process from asking upstream.
        return answer ?? true;
      },
      async unlock() {
        if (isLocked) await breaker.execute("unlock", () => store.unlock(fingerprint, name()));
        isLocked = false;
      },
    };
  }

  return { entry, purge, metrics: () => ({ hits, misses, undecryptable, ...breaker.metrics() }) };
}
