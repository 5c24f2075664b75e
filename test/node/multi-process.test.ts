import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { CACHE_SECRET, connected } from "../support/peers.ts";
import { plainCall } from "../support/plain-call.ts";
import { startProgram, type Program } from "../support/program.ts";
import { describeWithRedis, startRedis } from "../support/redis.ts";
import { ACCOUNTS, ALICE, BOB } from "../support/setup.ts";

describeWithRedis("processes that share a Redis", () => {
  test("have what another has asked for, before and after a restart of them all", async () => {
    const { nano, programs, begin } = await started(2, { MAX_AGE: "1h" });
    const [first, second] = programs;
    expect(await cameBy(first, ALICE)).toBe("keylane; fwd=uri-miss; stored");
    await expect.poll(() => cameBy(second, ALICE, "only-if-cached")).toMatch(/^keylane; hit; ttl=\d+$/);
    for (const { child, exited } of programs) {
      child.kill("SIGTERM");
      expect(await exited).toBe(0);
    }
    const later = await begin();
    await expect.poll(() => cameBy(later, ALICE, "only-if-cached")).toMatch(/^keylane; hit; ttl=\d+$/);
    expect(await cameBy(later, BOB)).toBe("keylane; fwd=uri-miss; stored");
    expect([nano.lists(ALICE).length, nano.lists(BOB).length]).toEqual([1, 1]);
  });

  test("change their CACHE_SECRET one after another, and no client meets an error", async () => {
    const { programs, begin } = await started(3);
    const running = [...programs];
    const load = callers(running);
    await load.more(60);
    for (const [index, old] of programs.entries()) {
      running[index] = await begin({ CACHE_SECRET: "another secret, of the new ones" });
      old.child.kill("SIGTERM");
      await load.more(60);
      expect(await old.exited).toBe(0);
    }
    await load.end();
    expect(load.faults).toEqual([]);
  }, 90_000);

  test("go on when any of them is killed, and so does the one that comes in its place", async () => {
    const { programs, begin } = await started(3);
    const running = [...programs];
    const load = callers(running, { areKilled: true });
    for (const [index, victim] of programs.entries()) {
      await load.more(60);
      victim.child.kill("SIGKILL");
      await victim.exited;
      await load.more(60);
      running[index] = await begin();
    }
    await load.more(60);
    await load.end();
    expect(load.faults).toEqual([]);
  }, 90_000);

  test("wait for half of LIST_TIMEOUT at most for one that was killed while it asked", async () => {
    const { nano, programs } = await started(2, { LIST_TIMEOUT: "6s" });
    const [first, second] = programs;
    let [lost, waiting]: [Promise<string>, Promise<string>[]] = [Promise.resolve("not begun"), []];
    for (let turn = 0; waiting.length === 0; turn++) {
      // Where Redis was too slow the second has fetched too: then all start again.
      expect(turn).toBeLessThan(20);
      await lost;
      await plainCall(`${first.url}/v1/models`, { method: "PURGE", fields: `x-api-key: ${ALICE}` });
      nano.reset();
      const stored = nano.hold({ key: ALICE });
      lost = asks(first);
      await stored.arrived;
      const all = Array.from({ length: 5 }, () => asks(second));
      await sleep(500);
      if (nano.lists(ALICE).length === 1) waiting = all;
      else nano.reset();
      await Promise.all(waiting.length === 0 ? all : []);
    }
    first.child.kill("SIGKILL");
    expect(await lost).toBe("lost");
    const killedAt = performance.now();
    for (const by of await Promise.all(waiting)) expect(by).toMatch(/^keylane; fwd=uri-miss; stored/);
    expect(performance.now() - killedAt).toBeLessThan(5000);
    expect(nano.lists(ALICE)).toHaveLength(2);
  });

  test("answer all through the death of Redis, and share again when it is back", async () => {
    const { redis, nano, programs } = await started(2);
    const [first, second] = programs;
    const load = callers(programs);
    await load.more(60);
    await redis.stop();
    await load.more(200);
    expect((await plainCall(`${first.url}/readyz`)).status).toBe(200);
    const again = await startRedis([], Number(new URL(redis.url).port));
    await connected(again, programs.length);
    await load.more(100);
    await load.end();
    expect(load.faults).toEqual([]);
    await cameBy(first, BOB, "no-cache");
    const asked = nano.lists(BOB).length;
    await expect.poll(() => cameBy(second, BOB, "only-if-cached")).toMatch(/^keylane; hit/);
    expect(nano.lists(BOB).length).toBeLessThanOrEqual(asked + 1);
  }, 90_000);
});

async function started(count: 2 | 3, settings: Record<string, string> = {}) {
  const redis = await startRedis();
  const nano = await startNanoGpt({ accounts: ACCOUNTS });
  onTestFinished(() => nano.stop());
  const common = {
    UPSTREAM_URL: nano.url,
    REDIS_URL: redis.url,
    CACHE_SECRET,
    // Short lives: while the load lasts there is always somebody who asks, or waits for one who does.
    MAX_AGE: "100ms",
    STALE_WHILE_REVALIDATE: "100ms",
    LOG_LEVEL: "silent",
    ...settings,
  };
  const begin = (more: Record<string, string> = {}) => startProgram({ ...common, ...more });
  const [first, second, ...rest] = await Promise.all(Array.from({ length: count }, () => begin()));
  if (first === undefined || second === undefined) throw new Error("Nothing has started");
  await connected(redis, count);
  const programs = [first, second, ...rest] as const;
  return { redis, nano, programs, begin };
}

/** As cameBy, for a program that may die of it. */
async function asks(program: Program): Promise<string> {
  return cameBy(program, ALICE).catch(() => "lost");
}

async function cameBy({ url }: Program, key: string, cacheControl = ""): Promise<string> {
  const headers = { authorization: `Bearer ${key}`, "cache-control": cacheControl };
  const answer = await fetch(`${url}/v1/models`, { headers });
  await answer.text();
  return answer.headers.get("cache-status") ?? String(answer.status);
}

/**
 * Clients of the running programs. A client whose call fails because its program stops uses another one, as a load
 * balancer does; a cut answer is a fault, but for one from a program that had no time to finish.
 */
function callers(running: readonly Program[], { areKilled = false } = {}) {
  const faults: string[] = [];
  let answered = 0;
  const over = new AbortController();

  async function call(index: number): Promise<void> {
    const key = index % 2 === 0 ? ALICE : BOB;
    const program = running[Math.floor(Math.random() * running.length)];
    if (program === undefined) return;
    const fields = `Authorization: Bearer ${key}`;
    const answer = await plainCall(`${program.url}/v1/models`, { fields }).catch(String);
    const isEnding = program.child.killed;
    if (typeof answer === "string") {
      if (!isEnding) faults.push(answer);
    } else if (!answer.isComplete) {
      if (!(isEnding && areKilled)) faults.push(`cut: ${answer.status}`);
    } else {
      answered++;
      const ids = (answer.text.match(/"id":"[^"]+"/g) ?? []).toSorted().join();
      if (answer.status !== 200 || ids !== IDS.get(key)) faults.push(`${answer.status} ${answer.text}`);
    }
  }

  const done = Array.from({ length: 8 }, async (_, index) => {
    while (!over.signal.aborted) {
      await call(index);
      await sleep(5);
    }
  });
  const end = async () => {
    over.abort();
    await Promise.all(done);
  };
  onTestFinished(end);
  return {
    faults,
    end,
    /** Resolves when so many more calls have been answered. */
    async more(count: number) {
      const before = answered;
      await expect.poll(() => answered - before, { timeout: 30_000, interval: 20 }).toBeGreaterThan(count);
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
