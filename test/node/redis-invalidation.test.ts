import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { startProgram } from "../support/program.ts";
import { lineTo } from "../support/fault-proxy.ts";
import { bothHold, newcomer, PATIENT, redisScene, refuse, visibleTo } from "../support/redis-setup.ts";
import { describeWithRedis, startRedis } from "../support/redis.ts";
import { ALICE, BOB } from "../support/setup.ts";

describeWithRedis("a key that upstream refuses", { timeout: 40_000 }, () => {
  test.for(["401", "PURGE"] as const)("(%s) is forgotten by the neighbours at once", async (how) => {
    const all = await redisScene();
    const [one, other] = await bothHold(all, all.redis.url);
    if (how === "401") await refuse(all, one);
    else await one.purge(ALICE);
    await expect.poll(() => other.held(ALICE), PATIENT).toBeUndefined();
    expect(await (await newcomer(all)).held(ALICE)).toBeUndefined();
    expect(await other.held(BOB)).toEqual(visibleTo(BOB));
  });

  test("while Redis hangs, is forgotten everywhere when it goes on", async () => {
    const all = await redisScene();
    const [one, other] = await bothHold(all, all.redis.url);
    all.redis.pause();
    // It has been found slow already: a purge is tried all the same.
    await refuse(all, one, () => one.held("sk-nano-test-carol"));
    expect(await one.held(ALICE)).toBeUndefined();
    all.redis.resume();
    await expect.poll(() => other.held(ALICE), PATIENT).toBeUndefined();
    expect(await (await newcomer(all)).held(ALICE)).toBeUndefined();
    expect(await one.list(ALICE)).toMatchObject({ status: 401 });
    expect(await other.held(BOB)).toEqual(visibleTo(BOB));
  });

  // The longer one outlasts the connection: what waited in it is lost.
  test.for([100, 6000])(
    "while its line to Redis is cut for %i ms, is forgotten without another question",
    async (ms) => {
      const all = await redisScene();
      const line = await lineTo(all.redis.port);
      const [one, other] = await bothHold(all, line.url);
      line.be("silent");
      await refuse(all, one);
      // Redis has not been told, and a new process knows nothing else.
      expect(await (await newcomer(all)).held(ALICE)).toEqual(visibleTo(ALICE));
      await sleep(ms);
      line.be("whole");
      await expect.poll(() => other.held(ALICE), PATIENT).toBeUndefined();
      expect(await (await newcomer(all)).held(ALICE)).toBeUndefined();
      expect(await other.held(BOB)).toEqual(visibleTo(BOB));
    },
  );

  test("while Redis may not be written to, is forgotten when it may", async () => {
    const all = await redisScene();
    const [one] = await bothHold(all, all.redis.url);
    await all.redis.run("REPLICAOF", "127.0.0.1", "1");
    await refuse(all, one);
    expect(await one.held(ALICE)).toBeUndefined();
    await all.redis.run("REPLICAOF", "NO", "ONE");
    // One is not asked again: it pays its debt by itself.
    const fresh = await newcomer(all);
    await expect.poll(() => fresh.held(ALICE), PATIENT).toBeUndefined();
  });
});

describeWithRedis("a purge", { timeout: 40_000 }, () => {
  test("is heard again after the subscription was lost", async () => {
    const all = await redisScene();
    const [one, other] = await bothHold(all, all.redis.url);
    await all.redis.run("CLIENT", "KILL", "TYPE", "pubsub");
    await expect
      .poll(() => all.redis.run("PUBSUB", "NUMSUB", "keylane:1:purges"), PATIENT)
      .toHaveProperty("1", 2);
    await one.purge(ALICE);
    await expect.poll(() => other.held(ALICE), PATIENT).toBeUndefined();
  });

  test("reaches a Redis that has no room left", async () => {
    const all = await redisScene();
    const [one, other] = await bothHold(all, all.redis.url);
    await all.redis.run("CONFIG", "SET", "maxmemory", "1");
    expect(await one.purge(ALICE)).toBe(204);
    await expect.poll(() => other.held(ALICE), PATIENT).toBeUndefined();
    expect(await (await newcomer(all)).held(ALICE)).toBeUndefined();
    // It is not owed either, which would be told.
    expect(await one.complaints()).toEqual([]);
  });

  test("is heard of a Redis that was started anew", async () => {
    const all = await redisScene();
    const [one, other] = await bothHold(all, all.redis.url);
    await all.redis.stop();
    const again = await startRedis([], all.redis.port);
    await expect
      .poll(() => again.run("PUBSUB", "NUMSUB", "keylane:1:purges"), PATIENT)
      .toHaveProperty("1", 2);
    await one.purge(ALICE);
    await expect.poll(() => other.held(ALICE), PATIENT).toBeUndefined();
  });
});

describeWithRedis("a program that is told to stop while Redis hangs", { timeout: 40_000 }, () => {
  test.for(["SIGSTOP", "cut", "away"] as const)("(%s) ends cleanly", async (how) => {
    const { redis, nano } = await redisScene();
    const line = await lineTo(redis.port);
    const program = await startProgram({
      UPSTREAM_URL: nano.url,
      REDIS_URL: line.url,
      CACHE_SECRET: "a secret that all of them share",
      DRAIN_TIMEOUT: "5s",
    });
    const ask = (key: string) =>
      fetch(`${program.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
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
