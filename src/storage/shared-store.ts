import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Fingerprint } from "../http/credential.ts";
import { age, CLOCK_SKEW_MS, lifetimesOf, retentionMs, type ListLifetimes } from "../http/freshness.ts";
import type { Log } from "../observability/log.ts";
import { createCircuitBreaker } from "./circuit-breaker.ts";
import { createSeal } from "./encryption.ts";
import type { CacheKey, StoredList, RemoteStore, Codecs } from "./store.ts";
import type { SharedStoreMetrics } from "../observability/metrics.ts";

/** What neighbours know: the lists that several processes share through a vault. It is never an error and never a wait. */
export interface SharedCache {
  /** The shared list behind one cache key, for the caller whose credential this is. */
  entry(key: CacheKey, credential: string): SharedEntry;
  /** Forgets everything shared for a fingerprint; what a neighbour still puts there from before is not believed. */
  purge(fingerprint: Fingerprint): Promise<void>;
  metrics(): SharedStoreMetrics;
}

export interface SharedEntry {
  get(): Promise<StoredList | undefined>;
  /**
   * Shares a list that upstream was asked for at that instant: a purge since then wins, and a neighbour's may not have
   * been heard of here yet. An empty one may be upstream's slip: it is not shared, and neither is what it replaces.
   */
  set(list: StoredList, askedAt?: number): Promise<void>;
  delete(): Promise<void>;
  /** Forgets all lists of this caller; what a neighbour still puts there from before is not believed. */
  purge(): Promise<void>;
  /** Gives false where a neighbour is asking upstream for this list, as far as is known, and has been for less than `ms`. */
  tryLock(ms: number): Promise<boolean>;
  unlock(): Promise<void>;
}

export interface SharedCacheSettings extends ListLifetimes {
  readonly secret: string;
}

const MAX_PURGED = 5000;

interface Purge {
  readonly at: number;
  /** The vault has not confirmed it. */
  isOwed: boolean;
}

/** Shares lists through a vault, sealed so that the vault learns nothing. `now` gives milliseconds since the epoch. */
export function createSharedCache(
  vault: RemoteStore,
  settings: SharedCacheSettings,
  codecs: Codecs,
  now: () => number,
  log: Log,
): SharedCache {
  // Purges of late: what was stored before is void, and while the vault has not been told yet, so is all it has.
  const purged = new LRUCache<Fingerprint, Purge>({ max: MAX_PURGED });
  const vaultCalls = createCircuitBreaker(now, log, vault.writeMs);
  // Keyed, so that who sees the names cannot try out what stands under them.
  const place = hash("sha256", `names ${settings.secret}`);
  let hits = 0;
  let misses = 0;
  let undecryptable = 0;

  async function purge(fingerprint: Fingerprint): Promise<void> {
    const purge = { at: now(), isOwed: true };
    purged.set(fingerprint, purge);
    await vaultCalls.execute("purge", () => settle(fingerprint, purge), "urgent");
  }

  async function settle(fingerprint: Fingerprint, purge: Purge): Promise<void> {
    await vault.purge(fingerprint, purge.at);
    // Even where this comes too late to be waited for.
    purge.isOwed = false;
  }

  /** Says whether the vault may be believed about a fingerprint; tries again what is owed. */
  async function isOpen(fingerprint: Fingerprint): Promise<boolean> {
    const last = purged.get(fingerprint);
    if (last?.isOwed === true) await vaultCalls.execute("purge", () => settle(fingerprint, last));
    return last?.isOwed !== true;
  }

  // A clock that was set back since must not void all that comes for as long as the step was wide.
  function purgedAt(fingerprint: Fingerprint): number {
    const at = purged.get(fingerprint)?.at ?? -1;
    return at <= now() + CLOCK_SKEW_MS ? at : -1;
  }

  /** How long a list may still be used; 0 or less where it may not. */
  function leftMs(list: StoredList, fingerprint: Fingerprint): number {
    const { storedAt, original } = list;
    const isVoid = storedAt <= purgedAt(fingerprint) || storedAt > now() + CLOCK_SKEW_MS;
    if (isVoid || !(original.coding === "identity" || codecs.has(original.coding))) return 0;
    return retentionMs(lifetimesOf(list, settings)) - age(storedAt, now());
  }

  return {
    entry(key, credential) {
      const { fingerprint } = key;
      const name = hash("sha256", `${place}\n${fingerprint}\n${key.variant}`, "base64url").slice(0, 22);
      // A key is derived only where the vault is asked at all.
      let made: ReturnType<typeof createSeal> | undefined;
      const own = () => (made ??= createSeal(settings.secret, credential));
      let isClaimed = false;
      const drop = () => vaultCalls.execute("delete", () => vault.delete(fingerprint, name).then(() => true));
      return {
        async get() {
          const list = await found();
          if (list === undefined) misses++;
          else hits++;
          return list;
        },
        async set(list, askedAt = list.storedAt) {
          if (list.isEmpty) await forget();
          else if (askedAt > purgedAt(fingerprint) && (await isOpen(fingerprint))) await write(list, askedAt);
        },
        delete: forget,
        async purge() {
          await purge(fingerprint);
        },
        async tryLock(ms) {
          const answer = await vaultCalls.execute("tryLock", () => vault.tryLock(fingerprint, name, ms));
          isClaimed = answer === true;
          return answer ?? true;
        },
        async unlock() {
          if (isClaimed) await vaultCalls.execute("unlock", () => vault.unlock(fingerprint, name));
          isClaimed = false;
        },
      };

      // What cannot be told is owed, for all lists of this caller: to forget too much costs a question at most.
      async function forget(): Promise<void> {
        if ((await drop()) === undefined) await purge(fingerprint);
      }

      async function write(list: StoredList, askedAt: number): Promise<void> {
        const retentionMs = leftMs(list, fingerprint);
        if (retentionMs <= 0) return;
        const sealed = own().seal(key, list);
        await vaultCalls.execute("write", () => vault.write(fingerprint, name, sealed, retentionMs, askedAt));
      }

      async function found(): Promise<StoredList | undefined> {
        if (!(await isOpen(fingerprint))) return undefined;
        const sealed = await vaultCalls.execute("read", () => vault.read(fingerprint, name));
        if (sealed === undefined) return undefined;
        const list = own().open(key, sealed);
        if (list === undefined) undecryptable++;
        if (list !== undefined && leftMs(list, fingerprint) > 0) return list;
        await drop();
        return undefined;
      }
    },
    async purge(fingerprint) {
      await purge(fingerprint);
    },
    metrics: () => ({ hits, misses, undecryptable, ...vaultCalls.metrics() }),
  };
}
