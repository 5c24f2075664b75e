import { randomUUID } from "node:crypto";
import { ErrorReply, MultiErrorReply } from "@redis/client";
import type { Fingerprint } from "../http/credential.ts";
import { CLOCK_SKEW_MS, type Clock } from "../http/freshness.ts";
import type { RedisClient, RedisConnection } from "./redis-connection.ts";
import type { InvalidationTarget } from "./store.ts";

/** Purges over one Redis: each leaves a tombstone there, and is published to the peers. */
export interface RedisInvalidation {
  /** Replaces all lists of a fingerprint with a tombstone of `at` (ms since the epoch), and publishes the purge. */
  purge(fingerprint: Fingerprint, at: number): Promise<void>;
  /** Receives peers' purges on this connection; after a gap, looks for the tombstones of purges that were missed. */
  listen(client: RedisClient): Promise<void>;
  /** The instant of a tombstone, or -1 where it is missing or from a clock too far ahead. */
  parseTimestamp(tombstone: string | null | undefined): number;
  /** Removes a fingerprint's lists from this process, after a purge by a peer. */
  applyPurge(fingerprint: Fingerprint): void;
  /** Tells all targets that Redis answers. */
  onReady(): void;
  subscribe(target: InvalidationTarget): void;
}

export interface InvalidationSettings {
  /** How long a tombstone is kept: as long as a list from before it may be stored anywhere. */
  readonly tombstoneTtlMs: number;
  readonly now: Clock;
}

/** The field of a fingerprint's hash with the instant of its last purge. */
export const PURGED_AT = "purged";
const CHANNEL = "keylane:1:purges";
const TOMBSTONES_AT_ONCE = 100;

/** Makes the purges of this process, over the connection that runs its commands. */
export function createRedisInvalidation(
  connection: Pick<RedisConnection, "run">,
  keyOf: (fingerprint: Fingerprint) => string,
  { tombstoneTtlMs, now }: InvalidationSettings,
): RedisInvalidation {
  const self = randomUUID();
  const targets: InvalidationTarget[] = [];
  // No purge has been missed on this client since it subscribed, nor on an earlier one up to this instant.
  let subscribedClient: RedisClient | undefined;
  let subscribedUntil = now();

  function parseTimestamp(tombstone: string | null | undefined): number {
    const at = Number(tombstone ?? -1);
    return at <= now() + CLOCK_SKEW_MS ? at : -1;
  }

  function applyPurge(fingerprint: Fingerprint): void {
    for (const target of targets) target.invalidate(fingerprint);
  }

  // One function, so that subscribing again adds no second listener.
  function onMessage(message: string): void {
    const [from, fingerprint] = message.split(" ");
    if (from !== self && fingerprint !== undefined) applyPurge(fingerprint);
  }

  /** Puts a tombstone in the place of all lists, and gives the instant of the one that was there. */
  async function replaceWithTombstone(client: RedisClient, key: string, at: number): Promise<number> {
    try {
      const all = client.multi().hGet(key, PURGED_AT).unlink(key).hSet(key, PURGED_AT, String(at));
      const [before] = await all.pExpire(key, tombstoneTtlMs).execTyped();
      return parseTimestamp(before);
    } catch (error) {
      // A value of another type had no tombstone, and is deleted.
      if (error instanceof MultiErrorReply) return -1;
      if (!(error instanceof ErrorReply)) throw error;
      // A full memory has no space for the tombstone: the lists are deleted all the same.
      await client.unlink(key);
      return -1;
    }
  }

  // Tombstones outlive the lists that they void, so nothing is missed, however long the gap was.
  async function catchUp(since: number): Promise<void> {
    const fingerprints = [...new Set(targets.flatMap((target) => [...target.fingerprints()]))];
    for (let i = 0; i < fingerprints.length; i += TOMBSTONES_AT_ONCE) {
      const batch = fingerprints.slice(i, i + TOMBSTONES_AT_ONCE);
      const tombstones = await connection.run((client) =>
        Promise.all(batch.map((fingerprint) => client.hGet(keyOf(fingerprint), PURGED_AT).catch(unlessRefused))),
      );
      for (const [index, fingerprint] of batch.entries()) {
        if (parseTimestamp(tombstones[index] ?? null) >= since) applyPurge(fingerprint);
      }
    }
  }

  return {
    parseTimestamp,
    applyPurge,
    purge: (fingerprint, at) =>
      connection.run(async (client) => {
        const before = await replaceWithTombstone(client, keyOf(fingerprint), at);
        // A peer's purge may be later than this one, which was pending for a while.
        if (before > at) await replaceWithTombstone(client, keyOf(fingerprint), before);
        // Published last: a peer that receives it looks here.
        await client.publish(CHANNEL, `${self} ${fingerprint}`).catch(unlessRefused);
      }),
    async listen(client) {
      const since = now();
      await client.subscribe(CHANNEL, onMessage);
      if (subscribedClient !== client) await catchUp(subscribedUntil - CLOCK_SKEW_MS);
      subscribedClient = client;
      subscribedUntil = since;
    },
    onReady: () => targets.forEach((target) => target.onReady()),
    subscribe: (target) => void targets.push(target),
  };
}

function unlessRefused(error: unknown): undefined {
  if (!(error instanceof ErrorReply)) throw error;
  return undefined;
}
