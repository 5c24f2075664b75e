import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { fuzz } from "../support/fuzz/fuzz.ts";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { asOneServer, expectSatisfied, startPeers } from "../support/peers.ts";
import { describeWithRedis, startRedis } from "../support/redis.ts";
import { ACCOUNTS, ALICE, BOB } from "../support/setup.ts";

// SEED and ROUND from a report repeat the same operations; their timing still varies.
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const path = process.env["ROUND"];
const OPERATIONS = Number(process.env["OPERATIONS"] ?? 1000);
// A message through Redis on this machine takes a thousandth of it.
const HEARING_MS = 250;

describeWithRedis.for([2, 4])("%i Keylanes over one Redis", (count) => {
  test(
    "give every key its own lists alone, and none from before a purge or a 401, however requests cross",
    { retry: 0, timeout: 300_000 },
    async () => {
      process.stderr.write(`several: seed ${seed}, ${OPERATIONS} operations on ${count} Keylanes\n`);
      const redis = await startRedis();
      const start = async (settings: Record<string, string>) => asOneServer(await startPeers(count, redis, settings));
      const extent = { operations: OPERATIONS, seed, path, hearingMs: HEARING_MS };
      const { violation, counts, operations } = await fuzz(start, extent);
      if (violation !== undefined) expect.fail(violation);
      if (path !== undefined) return;
      expect(operations).toBeGreaterThanOrEqual(OPERATIONS);
      for (const kind of ["fresh hit", "collapsed", "detail=refreshing", "purge", "401"])
        expect(counts.get(kind) ?? 0, kind).toBeGreaterThan(0);
    },
  );

  // What is promised: while Redis answers in time, and upstream within half of LIST_TIMEOUT.
  test("ask upstream once for each key and MAX_AGE, all of them together", async () => {
    const { nano, keylanes, ask } = await started(count);
    const wasContent = await expectSatisfied(keylanes);
    let rounds = 0;
    for (let turn = 0; rounds < 4; turn++) {
      nano.reset();
      // Long enough that all of them want the list while one is asking, or hardly any time at all.
      nano.delay(turn % 2 === 0 ? 150 : 0);
      const callers = keylanes.flatMap((_, index) => [ask(index, ALICE), ask(index, BOB), ask(index, ALICE)]);
      const answers = await Promise.all(callers);
      expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
      for (const key of [ALICE, BOB]) {
        // Nobody asks later either, and all have the new list in the end.
        for (const index of keylanes.keys())
          await expect.poll(async () => (await ask(index, key)).by).toMatch(/^keylane; hit; ttl=\d+$/);
      }
      // This machine has been too slow for what is promised.
      const isReported = await wasContent();
      if (isReported) expect([nano.lists(ALICE).length, nano.lists(BOB).length]).toEqual([1, 1]);
      if (isReported) rounds++;
      // Stale in turn, for a refresh behind the answer, and past that, so that all have to wait.
      await asOneServer(keylanes).advance(turn % 2 === 0 ? 61_000 : 61_000 + 300_000);
    }
  }, 60_000);

  test("serve a stale list of a peer's at once, and refresh it", async () => {
    const { nano, keylanes, ask } = await started(count);
    await ask(0, ALICE);
    await expect.poll(async () => (await ask(1, ALICE, CACHED)).status).toBe(200);
    await asOneServer(keylanes).advance(61_000);
    expect((await ask(1, ALICE)).by).toMatch(/^keylane; hit; ttl=-\d+; detail=refreshing$/);
    await expect.poll(() => nano.lists(ALICE).length).toBe(2);
    await expect.poll(async () => (await ask(1, ALICE)).by).toMatch(/^keylane; hit; ttl=\d+$/);
  });

  test("store no list that was being fetched when a peer was purged", async () => {
    const { nano, keylanes, ask } = await started(count);
    const stored = nano.hold({ key: ALICE });
    const waiting = ask(0, ALICE);
    await stored.arrived;
    expect((await ask(1, ALICE, { method: "DELETE" })).status).toBe(204);
    await sleep(HEARING_MS);
    stored.release();
    expect((await waiting).status).toBe(200);
    await sleep(HEARING_MS);
    for (const index of keylanes.keys()) expect((await ask(index, ALICE, CACHED)).status).toBe(504);
  });

  test("have no list any more, any of them, once one was purged or got a 401", async () => {
    const { nano, keylanes, ask } = await started(count);
    for (const end of ["purge", "401"]) {
      for (const index of keylanes.keys()) await ask(index, ALICE);
      await ask(0, BOB);
      if (end === "401") nano.revoke(ALICE);
      // No list is younger than what no-cache is content with.
      await asOneServer(keylanes).advance(2000);
      const ended = await ask(0, ALICE, end === "purge" ? { method: "DELETE" } : NO_CACHE);
      expect(ended.status).toBe(end === "purge" ? 204 : 401);
      for (const index of keylanes.keys())
        await expect.poll(async () => (await ask(index, ALICE, CACHED)).status).toBe(504);
      await expect.poll(async () => (await ask(1, BOB, CACHED)).status).toBe(200);
    }
  });
});

const CACHED = { headers: { "cache-control": "only-if-cached" } };
const NO_CACHE = { headers: { "cache-control": "no-cache" } };

interface Asking {
  readonly method?: string;
  readonly headers?: Record<string, string>;
}

async function started(count: number) {
  const redis = await startRedis();
  const nano = await startNanoGpt({ accounts: ACCOUNTS });
  onTestFinished(() => nano.stop());
  const keylanes = await startPeers(count, redis, { UPSTREAM_URL: nano.url });
  onTestFinished(() => asOneServer(keylanes).stop());
  const ask = async (index: number, key: string, { method = "GET", headers: more = {} }: Asking = {}) => {
    const headers = { authorization: `Bearer ${key}`, ...more };
    const answer = await fetch(`${keylanes[index]?.url}/v1/models`, { method, headers });
    return { status: answer.status, by: answer.headers.get("cache-status"), text: await answer.text() };
  };
  return { redis, nano, keylanes, ask };
}
