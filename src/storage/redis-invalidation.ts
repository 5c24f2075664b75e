import { randomUUID } from "node:crypto";
import { ErrorReply, MultiErrorReply } from "@redis/client";
import type { Fingerprint } from "../http/credential.ts";
import { CLOCK_SKEW_MS } from "../http/freshness.ts";
import type { InvalidationTarget } from "./store.ts";
import type { RedisClient, RedisConnection } from "./redis-connection.ts";

/** The purges of several processes over one Redis: each leaves a mark there, and is told to those who listen. */
export interface RedisInvalidation {
  /** Removes all lists of a fingerprint, and marks when. What fails is owed, and tried again by `pay`. */
  purge(fingerprint: Fingerprint, at: number): Promise<void>;
  /** Carries out what is owed. */
  flushPending(): Promise<void>;
  /** Hears of purges on this connection; after a gap, looks for the marks of those that went by unheard. */
  listen(client: RedisClient): Promise<void>;
  /** Takes a mark for what it says: an instant, or -1 where it is missing or from a clock that nobody should follow. */
  parseTimestamp(mark: string | null | undefined): number;
  /** Has this process forget a fingerprint whose purge it has learned of. */
  applyPurge(fingerprint: Fingerprint): void;
  subscribe(near: InvalidationTarget): void;
}

export interface InvalidationSettings {
  /** How long a mark stays: as long as a list from before it may be held anywhere. */
  readonly tombstoneTtlMs: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** The field of a fingerprint's hash that says when it was purged last. */
export const PURGED_AT = "purged";
const PURGES = "keylane:1:purges";
const MAX_OWED = 5000;
const MARKS_AT_ONCE = 100;

/** Makes the purges of this process, over the connection that runs its commands. */
export function createRedisInvalidation(
  connection: Pick<RedisConnection, "run">,
  keyOf: (fingerprint: Fingerprint) => string,
  { tombstoneTtlMs, now }: InvalidationSettings,
): RedisInvalidation {
  const self = randomUUID();
  const owed = new Map<Fingerprint, number>();
  const nears: InvalidationTarget[] = [];
  let isPaying = false;
  // On this one nothing has been missed since it began; before that, since then.
  let heardOn: RedisClient | undefined;
  let heardUntil = now();

  function parseTimestamp(mark: string | null | undefined): number {
    const at = Number(mark ?? -1);
    return at <= now() + CLOCK_SKEW_MS ? at : -1;
  }

  function applyPurge(fingerprint: Fingerprint): void {
    for (const near of nears) near.forget(fingerprint);
  }

  // One function, so that to subscribe again adds no second listener.
  function onMessage(message: string): void {
    const [from, fingerprint] = message.split(" ");
    if (from !== self && fingerprint !== undefined) applyPurge(fingerprint);
  }

  async function forget(fingerprint: Fingerprint, at: number): Promise<void> {
    await connection.run(async (client) => {
      const before = await replaceWithTombstone(client, keyOf(fingerprint), at);
      // Another process has purged it later than this one, whose turn comes only now.
      if (before > at) await replaceWithTombstone(client, keyOf(fingerprint), before);
      // Only now: who hears of it looks here.
      await client.publish(PURGES, `${self} ${fingerprint}`).catch(unlessRefused);
    });
    if (owed.get(fingerprint) === at) owed.delete(fingerprint);
  }

  /** Puts a mark in the place of all lists, and gives the mark that was there. */
  async function replaceWithTombstone(client: RedisClient, key: string, at: number): Promise<number> {
    try {
      const all = client.multi().hGet(key, PURGED_AT).unlink(key).hSet(key, PURGED_AT, String(at));
      const [before] = await all.pExpire(key, tombstoneTtlMs).execTyped();
      return parseTimestamp(before);
    } catch (fault) {
      // What was no hash has no mark, and is gone.
      if (fault instanceof MultiErrorReply) return -1;
      if (!(fault instanceof ErrorReply)) throw fault;
      // A full memory has no room for the mark: what counts is done all the same.
      await client.unlink(key);
      return -1;
    }
  }

  // Marks last longer than the lists that they void, so nothing is missed, however long the gap was.
  async function catchUp(since: number): Promise<void> {
    const held = [...new Set(nears.flatMap((near) => [...near.fingerprints()]))];
    for (let i = 0; i < held.length; i += MARKS_AT_ONCE) {
      const some = held.slice(i, i + MARKS_AT_ONCE);
      const marks = await connection.run((client) =>
        Promise.all(
          some.map((fingerprint) => client.hGet(keyOf(fingerprint), PURGED_AT).catch(unlessRefused)),
        ),
      );
      for (const [index, fingerprint] of some.entries()) {
        if (parseTimestamp(marks[index] ?? null) >= since) applyPurge(fingerprint);
      }
    }
  }

  return {
    parseTimestamp,
    applyPurge,
    async purge(fingerprint, at) {
      if (owed.size < MAX_OWED || owed.has(fingerprint)) owed.set(fingerprint, at);
      await forget(fingerprint, at);
    },
    async flushPending() {
      if (isPaying) return;
      isPaying = true;
      // One that is refused keeps no other from being paid.
      for (const [fingerprint, at] of owed) await forget(fingerprint, at).catch(() => {});
      isPaying = false;
    },
    async listen(client) {
      const since = now();
      await client.subscribe(PURGES, onMessage);
      if (heardOn !== client) await catchUp(heardUntil - CLOCK_SKEW_MS);
      heardOn = client;
      heardUntil = since;
    },
    subscribe: (near) => void nears.push(near),
  };
}

function unlessRefused(fault: unknown): undefined {
  if (!(fault instanceof ErrorReply)) throw fault;
  return undefined;
}
