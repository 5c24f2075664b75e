import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { startFaultProxy } from "../support/fault-proxy.ts";
import {
  bothStore,
  listeners,
  startFresh,
  WITHIN,
  redisSetup,
  type RedisSetup,
  revoke,
  visibleTo,
} from "../support/redis-setup.ts";
import { describeWithRedis } from "../support/redis.ts";
import { ALICE, BOB } from "../support/setup.ts";

const MINUTE = 60_000;
// So often, and a little more, a connection shows that it is alive.
const PING_MS = 3000;

describeWithRedis("a purge that a peer does not receive", { timeout: 40_000 }, () => {
  test.for(["401", "PURGE"] as const)(
    "(%s) because its line is cut, is found out when the line is back, and costs no other key its list",
    async (how) => {
      const all = await redisSetup();
      const line = await startFaultProxy(all.redis.port);
      const [other, one] = await bothStore(all, line.url);
      line.be("refused");
      await listeners(all, 1);
      if (how === "401") await revoke(all, one);
      else await one.purge(ALICE);
      expect(await other.stored(ALICE)).toEqual(visibleTo(ALICE));
      line.be("whole");
      await expect.poll(() => other.stored(ALICE), WITHIN).toBeUndefined();
      expect(await other.stored(BOB)).toEqual(visibleTo(BOB));
    },
  );

  test("because Redis was down for both, is found by the one that reconnects last", async () => {
    const all = await redisSetup();
    const [lineOne, lineOther] = [await startFaultProxy(all.redis.port), await startFaultProxy(all.redis.port)];
    const [other, one] = await bothStore(all, lineOther.url, lineOne.url);
    for (const line of [lineOne, lineOther]) line.be("refused");
    await listeners(all, 0);
    await revoke(all, one);
    lineOne.be("whole");
    // It pays its debt, and nobody else is there to hear it.
    await expect.poll(async () => (await startFresh(all)).stored(ALICE), WITHIN).toBeUndefined();
    expect(await other.stored(ALICE)).toEqual(visibleTo(ALICE));
    lineOther.be("whole");
    await expect.poll(() => other.stored(ALICE), WITHIN).toBeUndefined();
  });

  test("is not taken for one that it heard of long ago", async () => {
    const all = await redisSetup();
    const line = await startFaultProxy(all.redis.port);
    const [other, one] = await bothStore(all, line.url);
    await one.purge(ALICE);
    // Long enough for all that has been published so far to be heard.
    await sleep(500);
    await other.list(ALICE);
    await expect.poll(() => one.stored(ALICE), WITHIN).toEqual(visibleTo(ALICE));
    // Its own copy is all there is, but for the mark.
    for (const key of (await all.redis.run("KEYS", "keylane:1:*")) as string[]) {
      const names = (await all.redis.run("HKEYS", key)) as string[];
      await all.redis.run("HDEL", key, ...names.filter((name) => name !== "purged"));
    }
    // What it has heard, it has heard up to now, two minutes after that purge.
    await other.keylane.advance(2 * MINUTE);
    await sleep(PING_MS);
    line.be("refused");
    await listeners(all, 1);
    line.be("whole");
    await listeners(all, 2);
    await sleep(PING_MS);
    expect(await other.stored(ALICE)).toEqual(visibleTo(ALICE));
  });

  test("because it may not listen, is found out by the list that comes too late for it", async () => {
    const all = await redisSetup();
    const rights = ["on", ">secret", "~keylane:*", "+@all", "-@pubsub"];
    await all.redis.run("ACL", "SETUSER", "keylane", ...rights);
    const url = all.redis.url.replace("//", "//keylane:secret@");
    const [one, other] = [await all.start(url), await all.start(url)];
    await all.share(one, other, BOB);
    const stored = all.nano.hold({ key: ALICE });
    const late = other.list(ALICE);
    await stored.arrived;
    await one.purge(ALICE);
    const written = await writes(all);
    stored.release();
    expect(await late).toMatchObject({ status: 200, ids: visibleTo(ALICE) });
    await expect.poll(() => other.stored(ALICE), WITHIN).toBeUndefined();
    // Not even for a moment: a peer might have looked just then.
    expect(await writes(all)).toBe(written);
    expect(await (await startFresh(all)).stored(ALICE)).toBeUndefined();
  });

  test("nor will, is asked about when its copy is stale", async () => {
    const all = await redisSetup();
    const line = await startFaultProxy(all.redis.port);
    const [other, one] = await bothStore(all, line.url);
    line.be("refused");
    await revoke(all, one);
    expect(await other.stored(ALICE)).toEqual(visibleTo(ALICE));
    await other.keylane.advance(MINUTE);
    // The first question after MAX_AGE is answered at once, and brings the news.
    await other.list(ALICE);
    await expect.poll(() => other.stored(ALICE), WITHIN).toBeUndefined();
    expect(await other.list(ALICE)).toMatchObject({ status: 401 });
  });
});

describeWithRedis("a purge that could not be sent to Redis", { timeout: 40_000 }, () => {
  test("of a list that upstream refuses, is made good: all lists of that key go", async () => {
    const all = await redisSetup();
    const line = await startFaultProxy(all.redis.port);
    const [one] = await bothStore(all, line.url);
    line.be("refused");
    await listeners(all, 1);
    all.nano.fail({ kind: "status", status: 404 });
    await one.keylane.advance(1000);
    expect(await one.list(ALICE, { headers: { "cache-control": "no-cache" } })).toMatchObject({
      status: 404,
    });
    expect(await (await startFresh(all)).stored(ALICE)).toEqual(visibleTo(ALICE));
    line.be("whole");
    await expect.poll(async () => (await startFresh(all)).stored(ALICE), WITHIN).toBeUndefined();
  });

  test("is forgotten with the place where it was no hash", async () => {
    const all = await redisSetup();
    const [one] = await bothStore(all, all.redis.url);
    const keys = (await all.redis.run("KEYS", "keylane:1:*")) as string[];
    for (const key of keys) await all.redis.run("SET", key, "something else");
    expect(await one.purge(ALICE)).toBe(204);
    expect(await one.storeLog()).toEqual([]);
    const types = async () => Promise.all(keys.map((key) => all.redis.run("TYPE", key)));
    expect(new Set(await types())).toEqual(new Set(["hash", "string"]));
  });
});

describeWithRedis("the mark of a purge", { timeout: 40_000 }, () => {
  test("from a clock that runs far ahead voids nothing that comes later", async () => {
    const all = await redisSetup();
    const [one, other] = await bothStore(all, all.redis.url);
    await one.purge(ALICE);
    const inAnHour = String(Date.now() + 60 * MINUTE);
    for (const key of (await all.redis.run("KEYS", "keylane:1:*")) as string[])
      await all.redis.run("HSET", key, "purged", inAnHour);
    await all.share(one, other, ALICE);
  });

  test("lasts as long as a list from before it may be stored", async () => {
    const all = await redisSetup();
    const [one] = await bothStore(all, all.redis.url);
    await one.purge(ALICE);
    await one.purge(BOB);
    for (const key of (await all.redis.run("KEYS", "keylane:1:*")) as string[])
      expect(await all.redis.run("PTTL", key)).toBeGreaterThan(24 * 60 * MINUTE);
  });
});

/** How often Redis has got a command that stores something in a hash. */
async function writes({ redis }: RedisSetup): Promise<number> {
  return Number(/cmdstat_hset:calls=(\d+)/.exec(String(await redis.run("INFO", "commandstats")))?.[1]);
}
