// A purge or a 401 removes a key's lists from all processes, also when Redis fails meanwhile.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { startFaultProxy } from "../support/fault-proxy.ts";
import { CACHE_SECRET } from "../support/peers.ts";
import { startProgram } from "../support/program.ts";
import {
  RECONNECT_POLL,
  redisSetup,
  revoke,
  startNewProcess,
  startPair,
  visibleTo,
  waitForSubscribers,
} from "../support/redis-setup.ts";
import { describeWithRedis, startRedis } from "../support/redis.ts";
import { ALICE, BOB } from "../support/setup.ts";

describeWithRedis("a revoked or purged key", { timeout: 40_000 }, () => {
  test.for(["401", "PURGE"] as const)("(%s) loses its lists in the peers at once", async (how) => {
    const all = await redisSetup();
    const [one, other] = await startPair(all);
    if (how === "401") await revoke(all, one);
    else await one.purge(ALICE);
    await expect.poll(() => other.stored(ALICE), RECONNECT_POLL).toBeUndefined();
    expect(await (await startNewProcess(all)).stored(ALICE)).toBeUndefined();
    expect(await other.stored(BOB)).toEqual(visibleTo(BOB));
  });

  test("loses its lists everywhere after Redis was suspended", async () => {
    const all = await redisSetup();
    const [one, other] = await startPair(all);
    all.redis.pause();
    // The circuit breaker is open by then: a purge is attempted all the same.
    await revoke(all, one, () => one.stored("sk-nano-test-carol"));
    expect(await one.stored(ALICE)).toBeUndefined();
    all.redis.resume();
    await expect.poll(() => other.stored(ALICE), RECONNECT_POLL).toBeUndefined();
    expect(await (await startNewProcess(all)).stored(ALICE)).toBeUndefined();
    expect(await one.list(ALICE)).toMatchObject({ status: 401 });
    expect(await other.stored(BOB)).toEqual(visibleTo(BOB));
  });

  // In the longer time the connection is closed, and the commands in it are lost.
  test.for([100, 6000])("loses its lists after %i ms without a network, without another request", async (ms) => {
    const all = await redisSetup();
    const proxy = await startFaultProxy(all.redis.port);
    const [one, other] = await startPair(all, proxy.url);
    proxy.setState("silent");
    await revoke(all, one);
    // The purge has not reached Redis: a new process still gets the list.
    expect(await (await startNewProcess(all)).stored(ALICE)).toEqual(visibleTo(ALICE));
    await sleep(ms);
    proxy.setState("normal");
    await expect.poll(() => other.stored(ALICE), RECONNECT_POLL).toBeUndefined();
    expect(await (await startNewProcess(all)).stored(ALICE)).toBeUndefined();
    expect(await other.stored(BOB)).toEqual(visibleTo(BOB));
  });

  test("loses its lists after Redis was read-only", async () => {
    const all = await redisSetup();
    const [one] = await startPair(all);
    await all.redis.run("REPLICAOF", "127.0.0.1", "1");
    await revoke(all, one);
    expect(await one.stored(ALICE)).toBeUndefined();
    await all.redis.run("REPLICAOF", "NO", "ONE");
    // Process one gets no further request: it sends its pending purge by itself.
    const newProcess = await startNewProcess(all);
    await expect.poll(() => newProcess.stored(ALICE), RECONNECT_POLL).toBeUndefined();
  });
});

describeWithRedis("a purge", { timeout: 40_000 }, () => {
  test("is received again after the subscription was lost", async () => {
    const all = await redisSetup();
    const [one, other] = await startPair(all);
    await all.redis.run("CLIENT", "KILL", "TYPE", "pubsub");
    await waitForSubscribers(all, 2);
    await one.purge(ALICE);
    await expect.poll(() => other.stored(ALICE), RECONNECT_POLL).toBeUndefined();
  });

  test("reaches a Redis whose memory is full", async () => {
    const all = await redisSetup();
    const [one, other] = await startPair(all);
    await all.redis.run("CONFIG", "SET", "maxmemory", "1");
    expect(await one.purge(ALICE)).toBe(204);
    await expect.poll(() => other.stored(ALICE), RECONNECT_POLL).toBeUndefined();
    expect(await (await startNewProcess(all)).stored(ALICE)).toBeUndefined();
    // It is not pending either, which would be logged.
    expect(await one.storeLog()).toEqual([]);
  });

  test("is received through a Redis that was restarted", async () => {
    const all = await redisSetup();
    const [one, other] = await startPair(all);
    await all.redis.stop();
    await waitForSubscribers({ redis: await startRedis([], all.redis.port) }, 2);
    await one.purge(ALICE);
    await expect.poll(() => other.stored(ALICE), RECONNECT_POLL).toBeUndefined();
  });
});

describeWithRedis("a process that gets SIGTERM without a working Redis", { timeout: 40_000 }, () => {
  test.for(["suspended", "silent", "killed"] as const)("(%s) ends cleanly", async (how) => {
    const { redis, nano } = await redisSetup();
    const proxy = await startFaultProxy(redis.port);
    const program = await startProgram({
      UPSTREAM_URL: nano.url,
      REDIS_URL: proxy.url,
      CACHE_SECRET,
      DRAIN_TIMEOUT: "5s",
    });
    const list = (key: string) => fetch(`${program.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    expect((await list(ALICE)).status).toBe(200);
    if (how === "suspended") redis.pause();
    else if (how === "silent") proxy.setState("silent");
    else await redis.stop();
    expect((await list(BOB)).status).toBe(200);
    const startedAt = Date.now();
    await list(ALICE);
    program.child.kill("SIGTERM");
    expect(await program.exited).toBe(0);
    expect(Date.now() - startedAt).toBeLessThan(5000);
    expect(program.stderr() + program.stdout()).not.toMatch(/unhandled|"level":"?(error|50|60)/i);
  });
});
