// Several processes over one Redis behave like one: each key gets only its own lists, fetched once.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { fuzz } from "../support/fuzz/fuzz.ts";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { asOneServer, startPeers, trackStoreFailures } from "../support/peers.ts";
import { describeWithRedis, startRedis } from "../support/redis.ts";
import { ACCOUNTS, ALICE, BOB } from "../support/setup.ts";

// SEED and ROUND from a report repeat the same operations; their timing still varies.
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const path = process.env["ROUND"];
const OPERATIONS = Number(process.env["OPERATIONS"] ?? 1000);
// Far more time than a message through Redis takes on this machine.
const PURGE_DELIVERY_MS = 250;

describeWithRedis.for([2, 4])("%i Keylanes over one Redis", (count) => {
  test(
    "give every key only its own lists, and none from before a purge or a 401, in any order of requests",
    { retry: 0, timeout: 300_000 },
    async () => {
      process.stderr.write(`peers-fuzz: seed ${seed}, ${OPERATIONS} operations on ${count} Keylanes\n`);
      const redis = await startRedis();
      const start = async (settings: Record<string, string>) => asOneServer(await startPeers(count, redis, settings));
      const { violation, counts, operations } = await fuzz(start, {
        operations: OPERATIONS,
        seed,
        path,
        purgeDeliveryMs: PURGE_DELIVERY_MS,
      });
      if (violation !== undefined) expect.fail(violation);
      if (path !== undefined) return;
      expect(operations).toBeGreaterThanOrEqual(OPERATIONS);
      for (const kind of ["fresh hit", "collapsed", "detail=refreshing", "purge", "401"])
        expect(counts.get(kind) ?? 0, kind).toBeGreaterThan(0);
    },
  );

  // Guaranteed while Redis answers in time, and upstream within half of LIST_TIMEOUT.
  test("together ask upstream once for each key and MAX_AGE", async () => {
    const { nano, keylanes, ask } = await setup(count);
    const hadNoStoreFailures = await trackStoreFailures(keylanes);
    let rounds = 0;
    for (let turn = 0; rounds < 4; turn++) {
      nano.reset();
      // Alternately long enough that all need the list while one fetches it, and almost no time.
      nano.delay(turn % 2 === 0 ? 150 : 0);
      const requests = keylanes.flatMap((_, index) => [ask(index, ALICE), ask(index, BOB), ask(index, ALICE)]);
      const answers = await Promise.all(requests);
      expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
      for (const key of [ALICE, BOB]) {
        // No process fetches later either, and finally all have the new list.
        for (const index of keylanes.keys())
          await expect.poll(async () => (await ask(index, key)).cacheStatus).toMatch(/^keylane; hit; ttl=\d+$/);
      }
      // A round in which this machine was too slow for the guarantee does not count.
      if (await hadNoStoreFailures()) {
        expect([nano.lists(ALICE).length, nano.lists(BOB).length]).toEqual([1, 1]);
        rounds++;
      }
      // Alternately stale, so that it is refreshed in the background, and older, so that all have to wait.
      await asOneServer(keylanes).advance(turn % 2 === 0 ? 61_000 : 61_000 + 300_000);
    }
  }, 60_000);

  test("serve a peer's stale list at once, and refresh it", async () => {
    const { nano, keylanes, ask } = await setup(count);
    await ask(0, ALICE);
    await expect.poll(async () => (await ask(1, ALICE, CACHED)).status).toBe(200);
    await asOneServer(keylanes).advance(61_000);
    expect((await ask(1, ALICE)).cacheStatus).toMatch(/^keylane; hit; ttl=-\d+; detail=refreshing$/);
    await expect.poll(() => nano.lists(ALICE).length).toBe(2);
    await expect.poll(async () => (await ask(1, ALICE)).cacheStatus).toMatch(/^keylane; hit; ttl=\d+$/);
  });

  test("store no list that was being fetched when a peer received a purge", async () => {
    const { nano, keylanes, ask } = await setup(count);
    const hold = nano.hold({ key: ALICE });
    const waiting = ask(0, ALICE);
    await hold.arrived;
    expect((await ask(1, ALICE, { method: "DELETE" })).status).toBe(204);
    await sleep(PURGE_DELIVERY_MS);
    hold.release();
    expect((await waiting).status).toBe(200);
    await sleep(PURGE_DELIVERY_MS);
    for (const index of keylanes.keys()) expect((await ask(index, ALICE, CACHED)).status).toBe(504);
  });

  test("all remove a key's lists after one gets a purge or a 401", async () => {
    const { nano, keylanes, ask } = await setup(count);
    for (const event of ["purge", "401"]) {
      for (const index of keylanes.keys()) await ask(index, ALICE);
      await ask(0, BOB);
      if (event === "401") nano.revoke(ALICE);
      // With no-cache, a list younger than a second is served.
      await asOneServer(keylanes).advance(2000);
      const response = await ask(0, ALICE, event === "purge" ? { method: "DELETE" } : NO_CACHE);
      expect(response.status).toBe(event === "purge" ? 204 : 401);
      for (const index of keylanes.keys())
        await expect.poll(async () => (await ask(index, ALICE, CACHED)).status).toBe(504);
      await expect.poll(async () => (await ask(1, BOB, CACHED)).status).toBe(200);
    }
  });
});

const CACHED = { headers: { "cache-control": "only-if-cached" } };
const NO_CACHE = { headers: { "cache-control": "no-cache" } };

interface RequestOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
}

async function setup(count: number) {
  const redis = await startRedis();
  const nano = await startNanoGpt({ accounts: ACCOUNTS });
  onTestFinished(() => nano.stop());
  const keylanes = await startPeers(count, redis, { UPSTREAM_URL: nano.url });
  onTestFinished(() => asOneServer(keylanes).stop());
  const ask = async (index: number, key: string, { method = "GET", headers: more = {} }: RequestOptions = {}) => {
    const headers = { authorization: `Bearer ${key}`, ...more };
    const response = await fetch(`${keylanes[index]?.url}/v1/models`, { method, headers });
    return { status: response.status, cacheStatus: response.headers.get("cache-status"), text: await response.text() };
  };
  return { redis, nano, keylanes, ask };
}
