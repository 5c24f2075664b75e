import { expect, test } from "vitest";
import { run } from "../support/program.ts";
import { startFaultProxy, type FaultProxy } from "../support/fault-proxy.ts";
import { WITHIN, redisSetup, visibleTo, type Process } from "../support/redis-setup.ts";
import { describeWithRedis, startRedis, type Redis } from "../support/redis.ts";
import { ALICE, BOB } from "../support/setup.ts";

interface Failure {
  readonly what: string;
  readonly begin: (redis: Redis, line: FaultProxy) => unknown;
  readonly end: (redis: Redis, line: FaultProxy) => unknown;
  /** What the log calls it; undefined for what goes by so quickly that it may not be noticed. */
  readonly fault: RegExp | undefined;
}

const FAILURES: readonly Failure[] = [
  {
    what: "is killed and started again",
    begin: (redis) => redis.stop(),
    end: (redis) => startRedis([], redis.port),
    fault: /./,
  },
  {
    what: "is stopped (SIGSTOP)",
    begin: (redis) => redis.pause(),
    end: (redis) => redis.resume(),
    fault: /late/,
  },
  ...(["silent", "refused", "reset", "garbage", "slow"] as const).map((condition) => ({
    what: `is behind a line that is ${condition}`,
    begin: (_: Redis, line: FaultProxy) => line.be(condition),
    end: (_: Redis, line: FaultProxy) => line.be("whole"),
    fault: /./,
  })),
  {
    what: "sends one reply too many",
    begin: (_, line) => line.be("askew"),
    end: (_, line) => line.be("whole"),
    fault: undefined,
  },
  {
    what: "is full",
    begin: (redis) => redis.run("CONFIG", "SET", "maxmemory", "1"),
    end: (redis) => redis.run("CONFIG", "SET", "maxmemory", "0"),
    fault: /OOM/,
  },
  {
    what: "is a replica that nobody may write to",
    begin: (redis) => redis.run("REPLICAOF", "127.0.0.1", "1"),
    end: (redis) => redis.run("REPLICAOF", "NO", "ONE"),
    fault: /READONLY/,
  },
  {
    what: "wants a password suddenly",
    begin: (redis) => reconfigured(redis, "requirepass", "secret"),
    end: (redis) => redis.run("CONFIG", "SET", "requirepass", ""),
    fault: /NOAUTH|Socket|ECONNRESET/,
  },
  {
    what: "has no connection left",
    begin: (redis) => reconfigured(redis, "maxclients", "1"),
    end: (redis) => redis.run("CONFIG", "SET", "maxclients", "100"),
    fault: /./,
  },
  {
    what: "forbids everything",
    begin: (redis) => redis.run("ACL", "SETUSER", "default", "-@read", "-@write"),
    end: (redis) => redis.run("ACL", "SETUSER", "default", "+@all"),
    fault: /NOPERM/,
  },
  {
    what: "works on something long",
    begin: (redis) => redis.run("CLIENT", "PAUSE", "600", "ALL"),
    end: () => {},
    fault: /late/,
  },
  {
    what: "throws out its clients",
    begin: (redis) => redis.run("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"),
    end: () => {},
    fault: undefined,
  },
];

async function reconfigured(redis: Redis, name: string, value: string): Promise<void> {
  await redis.run("CONFIG", "SET", name, value);
  for (const type of ["normal", "pubsub"]) await redis.run("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes");
}

describeWithRedis("a Redis", { timeout: 40_000 }, () => {
  test.for(FAILURES)("that $what is an empty one, and then used again", async ({ begin, end, fault }) => {
    const { redis, nano, start, share } = await redisSetup();
    const line = await startFaultProxy(redis.port);
    const [one, other] = [await start(line.url), await start()];
    // On a busy machine it may have been slow already; the log is to be at peace.
    await expect.poll(() => share(one, other, ALICE).then(() => isContent(one)), WITHIN).toBe(true);
    const before = (await one.storeLog()).length;

    await begin(redis, line);
    const beganAt = Date.now();
    nano.reset();
    expect(await one.list(ALICE)).toMatchObject({
      by: expect.stringContaining("; hit; ttl=") as string,
      ids: visibleTo(ALICE),
    });
    for (let round = 0; round < 5; round++) {
      expect(await one.list(BOB)).toMatchObject({ status: 200, ids: visibleTo(BOB) });
      expect(await one.purge(BOB)).toBe(204);
      expect(await one.list(ALICE, { headers: { "cache-control": "no-store" } })).toMatchObject({
        status: 200,
        ids: visibleTo(ALICE),
      });
      expect(await one.isReady()).toBe(true);
    }
    // Each of the 16 that waited for Redis would have taken a second or more.
    expect(Date.now() - beganAt).toBeLessThan(10_000);
    expect(nano.lists()).toHaveLength(10);
    const complaints = (await one.storeLog()).slice(before);
    // One for all calls; none where it had been slow just before. Its recovery may be logged in between.
    expect(complaints.filter(({ level }) => level === "warn").length).toBeLessThanOrEqual(1);
    if (fault !== undefined && before === 0) {
      expect(complaints[0]).toMatchObject({ level: "warn", error: expect.stringMatching(fault) as string });
    }

    await end(redis, line);
    await share(one, other, ALICE);
    await share(one, other, BOB);
    await expect.poll(() => isContent(one), WITHIN).toBe(true);
    expect(await unexpectedErrors(one, other)).toEqual([]);
  });

  test("that comes later than Keylane is used when it is there", async () => {
    const { redis, start, share } = await redisSetup();
    await redis.stop();
    const [one, other] = [await start(), await start()];
    expect(await one.list(ALICE)).toMatchObject({ status: 200, ids: visibleTo(ALICE) });
    expect(await one.storeLog()).toEqual([expect.objectContaining({ level: "warn", error: "ECONNREFUSED" })]);
    await startRedis([], redis.port);
    await share(one, other, ALICE);
    // Also peers' announcements: the copy in the other's memory is removed too.
    await other.list(ALICE);
    await expect.poll(() => one.purge(ALICE).then(() => other.stored(ALICE)), WITHIN).toBeUndefined();
  });

  test("is there for the first question of a new process", async () => {
    const { start, share } = await redisSetup();
    await share(await start(), await start(), ALICE);
    const fresh = await start();
    expect(await fresh.stored(ALICE)).toEqual(visibleTo(ALICE));
    expect(await fresh.storeLog()).toEqual([]);
  });

  test("does not keep a program alive that cannot start", async () => {
    const { redis, nano, start } = await redisSetup();
    const { keylane } = await start();
    const PORT = new URL(keylane.url).port;
    const program = await run([], {
      PORT,
      UPSTREAM_URL: nano.url,
      REDIS_URL: redis.url,
      CACHE_SECRET: "a secret that all of them share",
    });
    expect(program).toMatchObject({ code: 1, stderr: expect.stringContaining("is in use") as string });
  });

  test("that hangs while many ask holds up nobody for long, and is not asked by each", async () => {
    const { redis, start, nano } = await redisSetup();
    const one = await start();
    await expect.poll(() => one.stored(ALICE).then(() => isContent(one)), WITHIN).toBe(true);
    const before = (await one.storeLog()).length;
    redis.pause();
    const beganAt = Date.now();
    for (let round = 0; round < 60; round++) {
      expect(await one.stored(BOB)).toBeUndefined();
    }
    // 50 ms each would be three seconds.
    expect(Date.now() - beganAt).toBeLessThan(2000);
    expect(await one.storeLog()).toHaveLength(Math.max(before, 1));
    expect(nano.lists()).toHaveLength(0);
  });
});

async function isContent(one: Process): Promise<boolean> {
  const last = (await one.storeLog()).at(-1);
  return last === undefined || last.level === "info";
}

/** Lines that no failure of Redis may cause. */
async function unexpectedErrors(...all: readonly Process[]): Promise<string[]> {
  const logs = await Promise.all(all.map(({ keylane }) => keylane.log()));
  return logs.flat().filter((line) => /"level":"error"|"status":50[0-3]/.test(line));
}
