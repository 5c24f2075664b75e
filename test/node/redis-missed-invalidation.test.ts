// A process that misses a purge notices it later, and never confuses it with another one.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { startFaultProxy } from "../support/fault-proxy.ts";
import {
  RECONNECT_POLL,
  redisSetup,
  type RedisSetup,
  revoke,
  startNewProcess,
  startPair,
  visibleTo,
  waitForSubscribers,
} from "../support/redis-setup.ts";
import { describeWithRedis } from "../support/redis.ts";
import { ALICE, BOB } from "../support/setup.ts";

const MINUTE = 60_000;
// A little more than the interval between two pings of a connection.
const PING_MS = 3000;

describeWithRedis("a purge that a peer does not receive", { timeout: 40_000 }, () => {
  test.for(["401", "PURGE"] as const)(
    "(%s) because it is disconnected, takes effect when it reconnects, for that key only",
    async (how) => {
      const all = await redisSetup();
      const proxy = await startFaultProxy(all.redis.port);
      const [other, one] = await startPair(all, proxy.url);
      proxy.setState("refused");
      await waitForSubscribers(all, 1);
      if (how === "401") await revoke(all, one);
      else await one.purge(ALICE);
      expect(await other.stored(ALICE)).toEqual(visibleTo(ALICE));
      proxy.setState("normal");
      await expect.poll(() => other.stored(ALICE), RECONNECT_POLL).toBeUndefined();
      expect(await other.stored(BOB)).toEqual(visibleTo(BOB));
    },
  );

  test("because both were disconnected, is found by the process that reconnects last", async () => {
    const all = await redisSetup();
    const [proxyOne, proxyOther] = [await startFaultProxy(all.redis.port), await startFaultProxy(all.redis.port)];
    const [other, one] = await startPair(all, proxyOther.url, proxyOne.url);
    for (const proxy of [proxyOne, proxyOther]) proxy.setState("refused");
    await waitForSubscribers(all, 0);
    await revoke(all, one);
    proxyOne.setState("normal");
    // It sends its pending purge while the other process is not subscribed.
    await expect.poll(async () => (await startNewProcess(all)).stored(ALICE), RECONNECT_POLL).toBeUndefined();
    expect(await other.stored(ALICE)).toEqual(visibleTo(ALICE));
    proxyOther.setState("normal");
    await expect.poll(() => other.stored(ALICE), RECONNECT_POLL).toBeUndefined();
  });

  test("is not confused with one that it received long ago", async () => {
    const all = await redisSetup();
    const proxy = await startFaultProxy(all.redis.port);
    const [other, one] = await startPair(all, proxy.url);
    await one.purge(ALICE);
    // Long enough for the purge to be received.
    await sleep(500);
    await other.list(ALICE);
    await expect.poll(() => one.stored(ALICE), RECONNECT_POLL).toEqual(visibleTo(ALICE));
    // The only copy left is the one in its memory; the tombstone stays in Redis.
    for (const key of (await all.redis.run("KEYS", "keylane:1:*")) as string[]) {
      const names = (await all.redis.run("HKEYS", key)) as string[];
      await all.redis.run("HDEL", key, ...names.filter((name) => name !== "purged"));
    }
    // It has been subscribed without a gap until now, two minutes after that purge.
    await other.keylane.advance(2 * MINUTE);
    await sleep(PING_MS);
    proxy.setState("refused");
    await waitForSubscribers(all, 1);
    proxy.setState("normal");
    await waitForSubscribers(all, 2);
    await sleep(PING_MS);
    expect(await other.stored(ALICE)).toEqual(visibleTo(ALICE));
  });

  test("because it may not subscribe, takes effect when it writes a list fetched before the purge", async () => {
    const all = await redisSetup();
    const rights = ["on", ">secret", "~keylane:*", "+@all", "-@pubsub"];
    await all.redis.run("ACL", "SETUSER", "keylane", ...rights);
    const url = all.redis.url.replace("//", "//keylane:secret@");
    const [one, other] = [await all.start(url), await all.start(url)];
    await all.share(one, other, BOB);
    const hold = all.nano.hold({ key: ALICE });
    const lateList = other.list(ALICE);
    await hold.arrived;
    await one.purge(ALICE);
    const writesBefore = await writeCount(all);
    hold.release();
    expect(await lateList).toMatchObject({ status: 200, ids: visibleTo(ALICE) });
    await expect.poll(() => other.stored(ALICE), RECONNECT_POLL).toBeUndefined();
    // The list is never in Redis, where a peer could read it.
    expect(await writeCount(all)).toBe(writesBefore);
    expect(await (await startNewProcess(all)).stored(ALICE)).toBeUndefined();
  });

  test("while it stays disconnected, takes effect when its copy is stale", async () => {
    const all = await redisSetup();
    const proxy = await startFaultProxy(all.redis.port);
    const [other, one] = await startPair(all, proxy.url);
    proxy.setState("refused");
    await revoke(all, one);
    expect(await other.stored(ALICE)).toEqual(visibleTo(ALICE));
    await other.keylane.advance(MINUTE);
    // The first request after MAX_AGE gets the stale list, and its refresh gets the 401.
    await other.list(ALICE);
    await expect.poll(() => other.stored(ALICE), RECONNECT_POLL).toBeUndefined();
    expect(await other.list(ALICE)).toMatchObject({ status: 401 });
  });
});

describeWithRedis("a purge that could not be sent to Redis", { timeout: 40_000 }, () => {
  test("of one list (404) becomes a purge of all lists of that key", async () => {
    const all = await redisSetup();
    const proxy = await startFaultProxy(all.redis.port);
    const [one] = await startPair(all, proxy.url);
    proxy.setState("refused");
    await waitForSubscribers(all, 1);
    all.nano.fail({ kind: "status", status: 404 });
    await one.keylane.advance(1000);
    expect(await one.list(ALICE, { headers: { "cache-control": "no-cache" } })).toMatchObject({
      status: 404,
    });
    expect(await (await startNewProcess(all)).stored(ALICE)).toEqual(visibleTo(ALICE));
    proxy.setState("normal");
    await expect.poll(async () => (await startNewProcess(all)).stored(ALICE), RECONNECT_POLL).toBeUndefined();
  });

  test("replaces a value that is not a hash with a tombstone", async () => {
    const all = await redisSetup();
    const [one] = await startPair(all);
    const keys = (await all.redis.run("KEYS", "keylane:1:*")) as string[];
    for (const key of keys) await all.redis.run("SET", key, "foreign value");
    expect(await one.purge(ALICE)).toBe(204);
    expect(await one.storeLog()).toEqual([]);
    const types = async () => Promise.all(keys.map((key) => all.redis.run("TYPE", key)));
    expect(new Set(await types())).toEqual(new Set(["hash", "string"]));
  });
});

describeWithRedis("the tombstone of a purge", { timeout: 40_000 }, () => {
  test("from a clock that runs an hour fast voids no later list", async () => {
    const all = await redisSetup();
    const [one, other] = await startPair(all);
    await one.purge(ALICE);
    const inAnHour = String(Date.now() + 60 * MINUTE);
    for (const key of (await all.redis.run("KEYS", "keylane:1:*")) as string[])
      await all.redis.run("HSET", key, "purged", inAnHour);
    await all.share(one, other, ALICE);
  });

  test("outlives every list from before the purge", async () => {
    const all = await redisSetup();
    const [one] = await startPair(all);
    await one.purge(ALICE);
    await one.purge(BOB);
    for (const key of (await all.redis.run("KEYS", "keylane:1:*")) as string[])
      expect(await all.redis.run("PTTL", key)).toBeGreaterThan(24 * 60 * MINUTE);
  });
});

/** How many commands that write to a hash Redis has run. */
async function writeCount({ redis }: RedisSetup): Promise<number> {
  return Number(/cmdstat_hset:calls=(\d+)/.exec(String(await redis.run("INFO", "commandstats")))?.[1]);
}
