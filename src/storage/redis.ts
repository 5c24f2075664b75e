import { randomUUID } from "node:crypto";
import { RESP_TYPES } from "@redis/client";
import type { Fingerprint } from "../http/credential.ts";
import { sealedAt } from "./encryption.ts";
import { MAX_VARIANTS, type RemoteStore } from "./store.ts";
import { PURGED_AT, createRedisInvalidation, type InvalidationSettings } from "./redis-invalidation.ts";
import { createRedisConnection, RedisError, type RedisClient } from "./redis-connection.ts";

/** A vault in Redis, for several Node processes, and the way to let go of it. */
export interface RedisStore extends RemoteStore {
  /** Resolves when the first attempt to connect has ended well or badly; soon in any case. */
  readonly firstAttempt: Promise<unknown>;
  close(): void;
}

export interface RedisStoreSettings extends InvalidationSettings {
  /** A value over this is not read, and given as an empty one. */
  readonly maxBytes: number;
}

const PREFIX = "keylane:1";
// More than several processes at once make of one key.
const MAX_FIELDS = 4 * MAX_VARIANTS;
const MAX_MARK_BYTES = 20;
// No list opens from this.
const UNREADABLE: Uint8Array = new Uint8Array();

/**
 * Keeps sealed lists in Redis: a hash for each fingerprint, a field for each list, so that one command forgets them all.
 * No command is about two keys, so a cluster may hold them. It connects when it can, and until then fails at once; a purge
 * that failed is tried again by itself.
 */
export function createRedisStore(url: string, { maxBytes, ...times }: RedisStoreSettings): RedisStore {
  const self = randomUUID();
  const connection = createRedisConnection(url, () => void purges.flushPending());
  const purges = createRedisInvalidation(connection, keyOf, times);
  const subscription = createRedisConnection(url, (client) => void purges.listen(client).catch(() => {}));

  /** What is no hash at our key is none of ours: it goes, and there is nothing. */
  async function withHash<T>(key: string, work: (client: RedisClient) => Promise<T>): Promise<T> {
    try {
      return await connection.run(work);
    } catch (fault) {
      if (!(fault instanceof RedisError) || fault.code !== "WRONGTYPE") throw fault;
      return await connection.run(async (client) => {
        await client.unlink(key);
        return work(client);
      });
    }
  }

  async function evict(client: RedisClient, key: string): Promise<void> {
    const names = (await client.hKeys(key)).filter((name) => name !== PURGED_AT);
    const sizes = await Promise.all(names.map((name) => sizeOf(client, key, name)));
    const aged = await Promise.all(
      names.map(async (name, index) => {
        const isOurs = (sizes[index] ?? 0) <= maxBytes;
        const bytes = isOurs ? await buffers(client).hGet(key, name) : null;
        return { name, at: sealedAt(bytes ?? UNREADABLE) ?? 0 };
      }),
    );
    const oldest = aged.sort((a, b) => a.at - b.at).slice(0, -MAX_VARIANTS);
    if (oldest.length > 0) {
      await client.hDel(
        key,
        oldest.map(({ name }) => name),
      );
    }
  }

  return {
    firstAttempt: Promise.all([connection.firstAttempt, subscription.firstAttempt]),
    async read(fingerprint, name) {
      const key = keyOf(fingerprint);
      const [size] = await withHash(key, (client) =>
        Promise.all([sizeOf(client, key, name), dropForeign(client, key)]),
      );
      if (size === 0) return undefined;
      if (!(size <= maxBytes)) return UNREADABLE;
      const [bytes, mark] = await connection.run((client) =>
        Promise.all([buffers(client).hGet(key, name), client.hGet(key, PURGED_AT)]),
      );
      const isLate = (sealedAt(bytes ?? UNREADABLE) ?? 0) <= purges.parseTimestamp(mark);
      return isLate ? UNREADABLE : (bytes ?? undefined);
    },
    async write(fingerprint, name, bytes, retentionMs, askedAt = Infinity) {
      const key = keyOf(fingerprint);
      const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      // Purged by a neighbour since this process asked upstream: it has not heard of that yet.
      const isVoid = (mark: string | null | undefined) => askedAt <= purges.parseTimestamp(mark);
      await withHash(key, async (client) => {
        // Before as well as after: what is void is best not there for anybody to find.
        const [before] = await Promise.all([client.hGet(key, PURGED_AT), dropForeign(client, key)]);
        if (isVoid(before)) return purges.applyPurge(fingerprint);
        const stored = client.multi().hSet(key, name, value).pExpire(key, Math.ceil(retentionMs));
        const [, , kept, mark] = await stored.hLen(key).hGet(key, PURGED_AT).execTyped();
        if (isVoid(mark)) purges.applyPurge(fingerprint);
        if (isVoid(mark)) await client.hDel(key, name);
        else if (kept > MAX_VARIANTS) await evict(client, key);
      });
    },
    async delete(fingerprint, name) {
      const key = keyOf(fingerprint);
      await withHash(key, (client) => client.hDel(key, name));
    },
    purge: (fingerprint, at) => purges.purge(fingerprint, at),
    async tryLock(fingerprint, name, ms) {
      const expiration = { type: "PX", value: Math.ceil(ms) } as const;
      const key = claimOf(fingerprint, name);
      const set = await connection.run((client) => client.set(key, self, { condition: "NX", expiration }));
      return set !== null;
    },
    async unlock(fingerprint, name) {
      await connection.run((client) => client.unlink(claimOf(fingerprint, name)));
    },
    subscribe: (near) => purges.subscribe(near),
    close() {
      connection.close();
      subscription.close();
    },
  };
}

const keyOf = (fingerprint: Fingerprint) => `${PREFIX}:${fingerprint}`;
const claimOf = (fingerprint: Fingerprint, name: string) => `${PREFIX}:claim:${fingerprint}:${name}`;

// oxlint-disable-next-line typescript/explicit-module-boundary-types -- the client's type is made of all its commands
const buffers = (client: RedisClient) => client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });

/** What no Keylane has put at our key goes, whatever is with it: it would be dragged along, if not read. */
async function dropForeign(client: RedisClient, key: string): Promise<void> {
  const [fields, markBytes] = await Promise.all([client.hLen(key), sizeOf(client, key, PURGED_AT)]);
  if (fields > MAX_FIELDS || markBytes > MAX_MARK_BYTES) await client.unlink(key);
}

// The client's own HSTRLEN has the type of something else.
async function sizeOf(client: RedisClient, key: string, name: string): Promise<number> {
  return Number(await client.sendCommand(["HSTRLEN", key, name]));
}
