// Whatever Redis does, clients get their lists in time; when it works again it is used again.
import { expect, test } from "vitest";
import { startFaultProxy, type FaultProxy } from "../support/fault-proxy.ts";
import { CACHE_SECRET } from "../support/peers.ts";
import { run } from "../support/program.ts";
import { RECONNECT_POLL, redisSetup, visibleTo, type Process } from "../support/redis-setup.ts";
import { describeWithRedis, startRedis, type Redis } from "../support/redis.ts";
import { ALICE, BOB } from "../support/setup.ts";

interface Failure {
  readonly what: string;
  readonly begin: (redis: Redis, proxy: FaultProxy) => unknown;
  readonly end: (redis: Redis, proxy: FaultProxy) => unknown;
  /** The `error` in the log; undefined for a failure that is so short that it may go unnoticed. */
  readonly error: RegExp | undefined;
}

const FAILURES: readonly Failure[] = [
  {
    what: "is killed and restarted",
    begin: (redis) => redis.stop(),
    end: (redis) => startRedis([], redis.port),
    error: /./,
  },
  {
    what: "is suspended (SIGSTOP)",
    begin: (redis) => redis.pause(),
    end: (redis) => redis.resume(),
    error: /timeout/,
  },
  ...(["silent", "refused", "reset", "garbage", "slow"] as const).map((state) => ({
    what: `has a network fault (${state})`,
    begin: (_: Redis, proxy: FaultProxy) => proxy.setState(state),
    end: (_: Redis, proxy: FaultProxy) => proxy.setState("normal"),
    error: /./,
  })),
  {
    what: "sends one reply too many",
    begin: (_, proxy) => proxy.setState("extra reply"),
    end: (_, proxy) => proxy.setState("normal"),
    error: undefined,
  },
  {
    what: "has no free memory",
    begin: (redis) => redis.run("CONFIG", "SET", "maxmemory", "1"),
    end: (redis) => redis.run("CONFIG", "SET", "maxmemory", "0"),
    error: /OOM/,
  },
  {
    what: "becomes a read-only replica",
    begin: (redis) => redis.run("REPLICAOF", "127.0.0.1", "1"),
    end: (redis) => redis.run("REPLICAOF", "NO", "ONE"),
    error: /READONLY/,
  },
  {
    what: "begins to require a password",
    begin: (redis) => reconfigure(redis, "requirepass", "secret"),
    end: (redis) => redis.run("CONFIG", "SET", "requirepass", ""),
    error: /NOAUTH|Socket|ECONNRESET/,
  },
  {
    what: "accepts no more connections",
    begin: (redis) => reconfigure(redis, "maxclients", "1"),
    end: (redis) => redis.run("CONFIG", "SET", "maxclients", "100"),
    error: /./,
  },
  {
    what: "forbids all commands",
    begin: (redis) => redis.run("ACL", "SETUSER", "default", "-@read", "-@write"),
    end: (redis) => redis.run("ACL", "SETUSER", "default", "+@all"),
    error: /NOPERM/,
  },
  {
    what: "is busy for 600 ms",
    begin: (redis) => redis.run("CLIENT", "PAUSE", "600", "ALL"),
    end: () => {},
    error: /timeout/,
  },
  {
    what: "closes all connections",
    begin: (redis) => redis.run("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"),
    end: () => {},
    error: undefined,
  },
];

async function reconfigure(redis: Redis, name: string, value: string): Promise<void> {
  await redis.run("CONFIG", "SET", name, value);
  for (const type of ["normal", "pubsub"]) await redis.run("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes");
}

describeWithRedis("a Redis", { timeout: 40_000 }, () => {
  test.for(FAILURES)("that $what is like an empty one, and is used again afterwards", async ({ begin, end, error }) => {
    const { redis, nano, start, share } = await redisSetup();
    const proxy = await startFaultProxy(redis.port);
    const [one, other] = [await start(proxy.url), await start()];
    // On a busy machine Redis may have been slow already: first the recovery must be logged.
    await expect.poll(() => share(one, other, ALICE).then(() => hasRecovered(one)), RECONNECT_POLL).toBe(true);
    const before = (await one.storeLog()).length;

    await begin(redis, proxy);
    const startedAt = Date.now();
    nano.reset();
    expect(await one.list(ALICE)).toMatchObject({
      cacheStatus: expect.stringContaining("; hit; ttl=") as string,
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
    // Each of the 16 requests would take a second or more if it waited for Redis.
    expect(Date.now() - startedAt).toBeLessThan(10_000);
    expect(nano.lists()).toHaveLength(10);
    const lines = (await one.storeLog()).slice(before);
    // One for all calls, or none if Redis had been slow just before. A recovery may be logged in between.
    expect(lines.filter(({ level }) => level === "warn").length).toBeLessThanOrEqual(1);
    if (error !== undefined && before === 0) {
      expect(lines[0]).toMatchObject({ level: "warn", error: expect.stringMatching(error) as string });
    }

    await end(redis, proxy);
    await share(one, other, ALICE);
    await share(one, other, BOB);
    await expect.poll(() => hasRecovered(one), RECONNECT_POLL).toBe(true);
    expect(await unexpectedErrors(one, other)).toEqual([]);
  });

  test("that starts after Keylane is used once it runs", async () => {
    const { redis, start, share } = await redisSetup();
    await redis.stop();
    const [one, other] = [await start(), await start()];
    expect(await one.list(ALICE)).toMatchObject({ status: 200, ids: visibleTo(ALICE) });
    expect(await one.storeLog()).toEqual([expect.objectContaining({ level: "warn", error: "ECONNREFUSED" })]);
    await startRedis([], redis.port);
    await share(one, other, ALICE);
    // Purges are announced too: the copy in the other process's memory is removed.
    await other.list(ALICE);
    await expect.poll(() => one.purge(ALICE).then(() => other.stored(ALICE)), RECONNECT_POLL).toBeUndefined();
  });

  test("serves the first request of a new process", async () => {
    const { start, share } = await redisSetup();
    await share(await start(), await start(), ALICE);
    const newProcess = await start();
    expect(await newProcess.stored(ALICE)).toEqual(visibleTo(ALICE));
    expect(await newProcess.storeLog()).toEqual([]);
  });

  test("does not keep a process alive that cannot start", async () => {
    const { redis, nano, start } = await redisSetup();
    const { keylane } = await start();
    const PORT = new URL(keylane.url).port;
    const program = await run([], {
      PORT,
      UPSTREAM_URL: nano.url,
      REDIS_URL: redis.url,
      CACHE_SECRET,
    });
    expect(program).toMatchObject({ code: 1, stderr: expect.stringContaining("is in use") as string });
  });

  test("that hangs delays no client for long, and is not called for each request", async () => {
    const { redis, start, nano } = await redisSetup();
    const one = await start();
    await expect.poll(() => one.stored(ALICE).then(() => hasRecovered(one)), RECONNECT_POLL).toBe(true);
    const before = (await one.storeLog()).length;
    redis.pause();
    const startedAt = Date.now();
    for (let round = 0; round < 60; round++) {
      expect(await one.stored(BOB)).toBeUndefined();
    }
    // With a timeout of 50 ms each, it would take three seconds.
    expect(Date.now() - startedAt).toBeLessThan(2000);
    expect(await one.storeLog()).toHaveLength(Math.max(before, 1));
    expect(nano.lists()).toHaveLength(0);
  });
});

/** Whether the last log line about the store, if any, is of its recovery. */
async function hasRecovered(one: Process): Promise<boolean> {
  const last = (await one.storeLog()).at(-1);
  return last === undefined || last.level === "info";
}

/** The log lines that no failure of Redis may cause. */
async function unexpectedErrors(...processes: readonly Process[]): Promise<string[]> {
  const logs = await Promise.all(processes.map(({ keylane }) => keylane.log()));
  return logs.flat().filter((line) => /"level":"error"|"status":50[0-3]/.test(line));
}
