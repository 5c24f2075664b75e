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
  /** A larger value is not read, and counts as undecryptable. */
  readonly maxBytes: number;
}

const PREFIX = "keylane:1";
// More than several processes that write at once make of one key.
const MAX_FIELDS = 4 * MAX_VARIANTS;
const MAX_MARK_BYTES = 20;
// Bytes that cannot be decrypted.
const UNREADABLE: Uint8Array = new Uint8Array();

/**
 * Stores sealed lists in Redis: a hash for each fingerprint, a field for each list, so that one command deletes them all. No
 * command uses two keys, so a cluster works too. It connects when it can; until then calls fail at once.
 */
export function createRedisStore(url: string, { maxBytes, ...times }: RedisStoreSettings): RedisStore {
  const self = randomUUID();
  const connection = createRedisConnection(url, () => purges.onReady());
  const purges = createRedisInvalidation(connection, keyOf, times);
  const subscription = createRedisConnection(url, (client) => void purges.listen(client).catch(() => {}));

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
    label: "Redis",
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
    async write(fingerprint, name, bytes, retentionMs, fetchStartedAt = Infinity) {
      const key = keyOf(fingerprint);
      const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      // A peer has purged the fingerprint since the fetch began, and this process has not received that yet.
      const isVoid = (mark: string | null | undefined) => fetchStartedAt <= purges.parseTimestamp(mark);
      await withHash(key, async (client) => {
        // Checked before as well as after: a void list should not be stored even for a moment.
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
    subscribe: (target) => purges.subscribe(target),
    close() {
      connection.close();
      subscription.close();
    },
  };
}

const keyOf = (fingerprint: Fingerprint) => `${PREFIX}:${fingerprint}`;
const claimOf = (fingerprint: Fingerprint, name: string) => `${PREFIX}:claim:${fingerprint}:${name}`;

// oxlint-disable-next-line typescript/explicit-module-boundary-types -- the type is derived from all commands of the client
const buffers = (client: RedisClient) => client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });

/** Deletes a hash with fields that no Keylane writes: they would be kept alive with ours. */
async function dropForeign(client: RedisClient, key: string): Promise<void> {
  const [fields, markBytes] = await Promise.all([client.hLen(key), sizeOf(client, key, PURGED_AT)]);
  if (fields > MAX_FIELDS || markBytes > MAX_MARK_BYTES) await client.unlink(key);
}

// The client's own HSTRLEN has the wrong return type.
async function sizeOf(client: RedisClient, key: string, name: string): Promise<number> {
  return Number(await client.sendCommand(["HSTRLEN", key, name]));
}
