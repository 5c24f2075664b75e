// Processes that share a Redis keep answering while any of them, or Redis, is stopped, killed or replaced.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { CACHE_SECRET, waitForConnections } from "../support/peers.ts";
import { plainCall } from "../support/plain-call.ts";
import { startProgram, type Program } from "../support/program.ts";
import { describeWithRedis, startRedis } from "../support/redis.ts";
import { ACCOUNTS, ALICE, BOB } from "../support/setup.ts";

describeWithRedis("processes that share a Redis", () => {
  test("use a list that another has fetched, before and after a restart of all", async () => {
    const { nano, programs, start } = await setup(2, { MAX_AGE: "1h" });
    const [first, second] = programs;
    expect(await cacheStatusOf(first, ALICE)).toBe("keylane; fwd=uri-miss; stored");
    await expect.poll(() => cacheStatusOf(second, ALICE, "only-if-cached")).toMatch(/^keylane; hit; ttl=\d+$/);
    for (const { child, exited } of programs) {
      child.kill("SIGTERM");
      expect(await exited).toBe(0);
    }
    const restarted = await start();
    await expect.poll(() => cacheStatusOf(restarted, ALICE, "only-if-cached")).toMatch(/^keylane; hit; ttl=\d+$/);
    expect(await cacheStatusOf(restarted, BOB)).toBe("keylane; fwd=uri-miss; stored");
    expect([nano.lists(ALICE).length, nano.lists(BOB).length]).toEqual([1, 1]);
  });

  test("can change CACHE_SECRET one after another without an error for any client", async () => {
    const { programs, start } = await setup(3);
    const running = [...programs];
    const load = startClients(running);
    await load.waitForResponses(60);
    for (const [index, old] of programs.entries()) {
      running[index] = await start({ CACHE_SECRET: "another secret, for the new processes" });
      old.child.kill("SIGTERM");
      await load.waitForResponses(60);
      expect(await old.exited).toBe(0);
    }
    await load.stop();
    expect(load.errors).toEqual([]);
  }, 90_000);

  test("continue when any of them is killed, and so does its replacement", async () => {
    const { programs, start } = await setup(3);
    const running = [...programs];
    const load = startClients(running, { mayBeKilled: true });
    for (const [index, victim] of programs.entries()) {
      await load.waitForResponses(60);
      victim.child.kill("SIGKILL");
      await victim.exited;
      await load.waitForResponses(60);
      running[index] = await start();
    }
    await load.waitForResponses(60);
    await load.stop();
    expect(load.errors).toEqual([]);
  }, 90_000);

  test("wait at most half of LIST_TIMEOUT for one that was killed during its fetch", async () => {
    const { nano, programs } = await setup(2, { LIST_TIMEOUT: "6s" });
    const [first, second] = programs;
    let [lost, waiting]: [Promise<string>, Promise<string>[]] = [Promise.resolve("not started"), []];
    for (let attempt = 0; waiting.length === 0; attempt++) {
      // If Redis was too slow, the second process has fetched too: then everything is repeated.
      expect(attempt).toBeLessThan(20);
      await lost;
      await plainCall(`${first.url}/v1/models`, { method: "PURGE", fields: `x-api-key: ${ALICE}` });
      nano.reset();
      const hold = nano.hold({ key: ALICE });
      lost = cacheStatusUnlessKilled(first);
      await hold.arrived;
      const all = Array.from({ length: 5 }, () => cacheStatusUnlessKilled(second));
      await sleep(500);
      if (nano.lists(ALICE).length === 1) waiting = all;
      else nano.reset();
      await Promise.all(waiting.length === 0 ? all : []);
    }
    first.child.kill("SIGKILL");
    expect(await lost).toBe("lost");
    const killedAt = performance.now();
    for (const cacheStatus of await Promise.all(waiting)) expect(cacheStatus).toMatch(/^keylane; fwd=uri-miss; stored/);
    expect(performance.now() - killedAt).toBeLessThan(5000);
    expect(nano.lists(ALICE)).toHaveLength(2);
  });

  test("answer while Redis is down, and share lists again afterwards", async () => {
    const { redis, nano, programs } = await setup(2);
    const [first, second] = programs;
    const load = startClients(programs);
    await load.waitForResponses(60);
    await redis.stop();
    await load.waitForResponses(200);
    expect((await plainCall(`${first.url}/readyz`)).status).toBe(200);
    const restarted = await startRedis([], Number(new URL(redis.url).port));
    await waitForConnections(restarted, programs.length);
    await load.waitForResponses(100);
    await load.stop();
    expect(load.errors).toEqual([]);
    await cacheStatusOf(first, BOB, "no-cache");
    const fetches = nano.lists(BOB).length;
    await expect.poll(() => cacheStatusOf(second, BOB, "only-if-cached")).toMatch(/^keylane; hit/);
    expect(nano.lists(BOB).length).toBeLessThanOrEqual(fetches + 1);
  }, 90_000);
});

async function setup(count: 2 | 3, settings: Record<string, string> = {}) {
  const redis = await startRedis();
  const nano = await startNanoGpt({ accounts: ACCOUNTS });
  onTestFinished(() => nano.stop());
  const shared = {
    UPSTREAM_URL: nano.url,
    REDIS_URL: redis.url,
    CACHE_SECRET,
    // Short lifetimes, so that under load some process is always fetching and others wait for it.
    MAX_AGE: "100ms",
    STALE_WHILE_REVALIDATE: "100ms",
    LOG_LEVEL: "silent",
    ...settings,
  };
  const start = (overrides: Record<string, string> = {}) => startProgram({ ...shared, ...overrides });
  const [first, second, ...rest] = await Promise.all(Array.from({ length: count }, () => start()));
  if (first === undefined || second === undefined) throw new Error("No process has started");
  await waitForConnections(redis, count);
  const programs = [first, second, ...rest] as const;
  return { redis, nano, programs, start };
}

/** The Cache-Status of a list response, or "lost" if the program is killed before it responds. */
async function cacheStatusUnlessKilled(program: Program): Promise<string> {
  return cacheStatusOf(program, ALICE).catch(() => "lost");
}

async function cacheStatusOf({ url }: Program, key: string, cacheControl = ""): Promise<string> {
  const headers = { authorization: `Bearer ${key}`, "cache-control": cacheControl };
  const response = await fetch(`${url}/v1/models`, { headers });
  await response.text();
  return response.headers.get("cache-status") ?? String(response.status);
}

/**
 * Starts clients that send requests to random running programs. As behind a load balancer, a failed call is no error if
 * its program is stopping. A cut response is an error unless the program was killed.
 */
function startClients(running: readonly Program[], { mayBeKilled = false } = {}) {
  const errors: string[] = [];
  let responses = 0;
  const stopping = new AbortController();

  async function call(index: number): Promise<void> {
    const key = index % 2 === 0 ? ALICE : BOB;
    const program = running[Math.floor(Math.random() * running.length)];
    if (program === undefined) return;
    const fields = `Authorization: Bearer ${key}`;
    const response = await plainCall(`${program.url}/v1/models`, { fields }).catch(String);
    const isStopping = program.child.killed;
    if (typeof response === "string") {
      if (!isStopping) errors.push(response);
    } else if (!response.isComplete) {
      if (!(isStopping && mayBeKilled)) errors.push(`cut: ${response.status}`);
    } else {
      responses++;
      const ids = (response.text.match(/"id":"[^"]+"/g) ?? []).toSorted().join();
      if (response.status !== 200 || ids !== IDS.get(key)) errors.push(`${response.status} ${response.text}`);
    }
  }

  const done = Array.from({ length: 8 }, async (_, index) => {
    while (!stopping.signal.aborted) {
      await call(index);
      await sleep(5);
    }
  });
  const stop = async () => {
    stopping.abort();
    await Promise.all(done);
  };
  onTestFinished(stop);
  return {
    errors,
    stop,
    /** Resolves after so many more complete responses. */
    async waitForResponses(count: number) {
      const before = responses;
      await expect.poll(() => responses - before, { timeout: 30_000, interval: 20 }).toBeGreaterThan(count);
    },
  };
}

const IDS: ReadonlyMap<string, string> = new Map(
  ACCOUNTS.map(({ key, visible = [] }) => [
    key,
    visible
      .map((id) => `"id":"${id}"`)
      .toSorted()
      .join(),
  ]),
);
