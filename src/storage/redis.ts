import { randomUUID } from "node:crypto";
import { RESP_TYPES } from "@redis/client";
import type { Fingerprint } from "../http/credential.ts";
import { sealedAt } from "./encryption.ts";
import { createRedisConnection, RedisError, type RedisClient } from "./redis-connection.ts";
import { PURGED_AT, createRedisInvalidation, type InvalidationSettings } from "./redis-invalidation.ts";
import { MAX_VARIANTS, type RemoteStore } from "./store.ts";

/** A remote store in Redis, for several Node processes. */
export interface RedisStore extends RemoteStore {
  /** Resolves when the first attempt to connect has succeeded or failed, after a second at the latest. */
  readonly firstAttempt: Promise<unknown>;
  close(): void;
}

export interface RedisStoreSettings extends InvalidationSettings {
  /** A larger value is not read: it counts as one that cannot be decrypted. */
  readonly maxBytes: number;
}

const PREFIX = "keylane:1";
// More fields than processes that write one hash at the same time leave in it.
const MAX_FIELDS = 4 * MAX_VARIANTS;
const MAX_TIMESTAMP_BYTES = 20;
// Read in place of a value that cannot be decrypted.
const UNREADABLE: Uint8Array = new Uint8Array();

/**
 * Stores sealed lists in Redis: a hash for each fingerprint, a field for each list, so that one command deletes them
 * all. No command uses two keys, so it also works with a cluster. While there is no connection, calls fail at once.
 */
export function createRedisStore(url: string, { maxBytes, ...times }: RedisStoreSettings): RedisStore {
  const owner = randomUUID();
  const connection = createRedisConnection(url, () => invalidation.onReady());
  const invalidation = createRedisInvalidation(connection, keyOf, times);
  const subscription = createRedisConnection(url, (client) => void invalidation.listen(client).catch(() => {}));

  /** Runs `work`; on WRONGTYPE deletes the foreign value and retries once. */
  async function withHash<T>(key: string, work: (client: RedisClient) => Promise<T>): Promise<T> {
    try {
      return await connection.run(work);
    } catch (error) {
      if (!(error instanceof RedisError) || error.code !== "WRONGTYPE") throw error;
      return await connection.run(async (client) => {
        await client.unlink(key);
        return work(client);
      });
    }
  }

  async function evict(client: RedisClient, key: string): Promise<void> {
    const names = (await client.hKeys(key)).filter((name) => name !== PURGED_AT);
    const sizes = await Promise.all(names.map((name) => sizeOf(client, key, name)));
    const dated = await Promise.all(
      names.map(async (name, index) => {
        const isReadable = (sizes[index] ?? 0) <= maxBytes;
        const bytes = isReadable ? await buffers(client).hGet(key, name) : null;
        return { name, at: sealedAt(bytes ?? UNREADABLE) ?? 0 };
      }),
    );
    const oldest = dated.sort((a, b) => a.at - b.at).slice(0, -MAX_VARIANTS);
    if (oldest.length > 0) {
      await client.hDel(
        key,
        oldest.map(({ name }) => name),
      );
    }
  }

  return {
    label: "Redis",
    firstAttempt: Promise.all([connection.firstAttempt, subscription.firstAttempt]),
    async read(fingerprint, name) {
      const key = keyOf(fingerprint);
      const [size] = await withHash(key, (client) =>
        Promise.all([sizeOf(client, key, name), dropForeign(client, key)]),
      );
      if (size === 0) return undefined;
      if (!(size <= maxBytes)) return UNREADABLE;
      const [bytes, tombstone] = await connection.run((client) =>
        Promise.all([buffers(client).hGet(key, name), client.hGet(key, PURGED_AT)]),
      );
      const isVoid = (sealedAt(bytes ?? UNREADABLE) ?? 0) <= invalidation.parseTimestamp(tombstone);
      return isVoid ? UNREADABLE : (bytes ?? undefined);
    },
    async write(fingerprint, name, bytes, retentionMs, fetchStartedAt = Infinity) {
      const key = keyOf(fingerprint);
      const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      // Whether a peer has purged the fingerprint since the fetch began; this process may not have received that yet.
      const isVoid = (tombstone: string | null | undefined) => fetchStartedAt <= invalidation.parseTimestamp(tombstone);
      await withHash(key, async (client) => {
        // Checked before as well as after: a void list should not be stored even for a moment.
        const [before] = await Promise.all([client.hGet(key, PURGED_AT), dropForeign(client, key)]);
        if (isVoid(before)) return invalidation.applyPurge(fingerprint);
        const stored = client.multi().hSet(key, name, value).pExpire(key, Math.ceil(retentionMs));
        const [, , fields, tombstone] = await stored.hLen(key).hGet(key, PURGED_AT).execTyped();
        if (isVoid(tombstone)) invalidation.applyPurge(fingerprint);
        if (isVoid(tombstone)) await client.hDel(key, name);
        else if (fields > MAX_VARIANTS) await evict(client, key);
      });
    },
    async delete(fingerprint, name) {
      const key = keyOf(fingerprint);
      await withHash(key, (client) => client.hDel(key, name));
    },
    purge: (fingerprint, at) => invalidation.purge(fingerprint, at),
    async tryLock(fingerprint, name, ms) {
      const expiration = { type: "PX", value: Math.ceil(ms) } as const;
      const key = lockKeyOf(fingerprint, name);
      const set = await connection.run((client) => client.set(key, owner, { condition: "NX", expiration }));
      return set !== null;
    },
    async unlock(fingerprint, name) {
      await connection.run((client) => client.unlink(lockKeyOf(fingerprint, name)));
    },
    subscribe: (target) => invalidation.subscribe(target),
    close() {
      connection.close();
      subscription.close();
    },
  };
}

const keyOf = (fingerprint: Fingerprint) => `${PREFIX}:${fingerprint}`;
const lockKeyOf = (fingerprint: Fingerprint, name: string) => `${PREFIX}:claim:${fingerprint}:${name}`;

// oxlint-disable-next-line typescript/explicit-module-boundary-types -- the type is derived from all commands of the client
const buffers = (client: RedisClient) => client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });

/** Deletes a hash with foreign fields: each of our writes would extend their lifetime. */
async function dropForeign(client: RedisClient, key: string): Promise<void> {
  const [fields, tombstoneBytes] = await Promise.all([client.hLen(key), sizeOf(client, key, PURGED_AT)]);
  if (fields > MAX_FIELDS || tombstoneBytes > MAX_TIMESTAMP_BYTES) await client.unlink(key);
}

// The package's own `hStrLen` has the wrong return type.
async function sizeOf(client: RedisClient, key: string, name: string): Promise<number> {
  return Number(await client.sendCommand(["HSTRLEN", key, name]));
}
