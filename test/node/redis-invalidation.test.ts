import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { startProgram } from "../support/program.ts";
import { startFaultProxy } from "../support/fault-proxy.ts";
import { bothStore, startFresh, WITHIN, redisSetup, revoke, visibleTo } from "../support/redis-setup.ts";
import { describeWithRedis, startRedis } from "../support/redis.ts";
import { ALICE, BOB } from "../support/setup.ts";

describeWithRedis("a key that upstream refuses", { timeout: 40_000 }, () => {
  test.for(["401", "PURGE"] as const)("(%s) is forgotten by the peers at once", async (how) => {
    const all = await redisSetup();
    const [one, other] = await bothStore(all, all.redis.url);
    if (how === "401") await revoke(all, one);
    else await one.purge(ALICE);
    await expect.poll(() => other.stored(ALICE), WITHIN).toBeUndefined();
    expect(await (await startFresh(all)).stored(ALICE)).toBeUndefined();
    expect(await other.stored(BOB)).toEqual(visibleTo(BOB));
  });

  test("while Redis hangs, is forgotten everywhere when it goes on", async () => {
    const all = await redisSetup();
    const [one, other] = await bothStore(all, all.redis.url);
    all.redis.pause();
    // It has been found slow already: a purge is tried all the same.
    await revoke(all, one, () => one.stored("sk-nano-test-carol"));
    expect(await one.stored(ALICE)).toBeUndefined();
    all.redis.resume();
    await expect.poll(() => other.stored(ALICE), WITHIN).toBeUndefined();
    expect(await (await startFresh(all)).stored(ALICE)).toBeUndefined();
    expect(await one.list(ALICE)).toMatchObject({ status: 401 });
    expect(await other.stored(BOB)).toEqual(visibleTo(BOB));
  });

  // The longer one outlasts the connection: what waited in it is lost.
  test.for([100, 6000])(
    "while its line to Redis is cut for %i ms, is forgotten without another question",
    async (ms) => {
      const all = await redisSetup();
      const line = await startFaultProxy(all.redis.port);
      const [one, other] = await bothStore(all, line.url);
      line.be("silent");
      await revoke(all, one);
      // The purge has not reached Redis, and a new process knows nothing of it.
      expect(await (await startFresh(all)).stored(ALICE)).toEqual(visibleTo(ALICE));
      await sleep(ms);
      line.be("whole");
      await expect.poll(() => other.stored(ALICE), WITHIN).toBeUndefined();
      expect(await (await startFresh(all)).stored(ALICE)).toBeUndefined();
      expect(await other.stored(BOB)).toEqual(visibleTo(BOB));
    },
  );

  test("while Redis may not be written to, is forgotten when it may", async () => {
    const all = await redisSetup();
    const [one] = await bothStore(all, all.redis.url);
    await all.redis.run("REPLICAOF", "127.0.0.1", "1");
    await revoke(all, one);
    expect(await one.stored(ALICE)).toBeUndefined();
    await all.redis.run("REPLICAOF", "NO", "ONE");
    // One is not asked again: it pays its debt by itself.
    const fresh = await startFresh(all);
    await expect.poll(() => fresh.stored(ALICE), WITHIN).toBeUndefined();
  });
});

describeWithRedis("a purge", { timeout: 40_000 }, () => {
  test("is heard again after the subscription was lost", async () => {
    const all = await redisSetup();
    const [one, other] = await bothStore(all, all.redis.url);
    await all.redis.run("CLIENT", "KILL", "TYPE", "pubsub");
    await expect.poll(() => all.redis.run("PUBSUB", "NUMSUB", "keylane:1:purges"), WITHIN).toHaveProperty("1", 2);
    await one.purge(ALICE);
    await expect.poll(() => other.stored(ALICE), WITHIN).toBeUndefined();
  });

  test("reaches a Redis whose memory is full", async () => {
    const all = await redisSetup();
    const [one, other] = await bothStore(all, all.redis.url);
    await all.redis.run("CONFIG", "SET", "maxmemory", "1");
    expect(await one.purge(ALICE)).toBe(204);
    await expect.poll(() => other.stored(ALICE), WITHIN).toBeUndefined();
    expect(await (await startFresh(all)).stored(ALICE)).toBeUndefined();
    // It is not pending either, which would be logged.
    expect(await one.storeLog()).toEqual([]);
  });

  test("is heard of a Redis that was started again", async () => {
    const all = await redisSetup();
    const [one, other] = await bothStore(all, all.redis.url);
    await all.redis.stop();
    const again = await startRedis([], all.redis.port);
    await expect.poll(() => again.run("PUBSUB", "NUMSUB", "keylane:1:purges"), WITHIN).toHaveProperty("1", 2);
    await one.purge(ALICE);
    await expect.poll(() => other.stored(ALICE), WITHIN).toBeUndefined();
  });
});

describeWithRedis("a program that gets a stop signal while Redis hangs", { timeout: 40_000 }, () => {
  test.for(["SIGSTOP", "cut", "away"] as const)("(%s) ends cleanly", async (how) => {
    const { redis, nano } = await redisSetup();
    const line = await startFaultProxy(redis.port);
    const program = await startProgram({
      UPSTREAM_URL: nano.url,
      REDIS_URL: line.url,
      CACHE_SECRET: "a secret that all of them share",
      DRAIN_TIMEOUT: "5s",
    });
    const ask = (key: string) => fetch(`${program.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    expect((await ask(ALICE)).status).toBe(200);
    if (how === "SIGSTOP") redis.pause();
    else if (how === "cut") line.be("silent");
    else await redis.stop();
    expect((await ask(BOB)).status).toBe(200);
    const last = ask(ALICE);
    const toldAt = Date.now();
    await last;
    program.child.kill("SIGTERM");
    expect(await program.exited).toBe(0);
    expect(Date.now() - toldAt).toBeLessThan(5000);
    expect(program.stderr() + program.stdout()).not.toMatch(/unhandled|"level":"?(error|50|60)/i);
  });
});
