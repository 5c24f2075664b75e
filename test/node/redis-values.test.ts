import { createClient, RESP_TYPES } from "@redis/client";
import { expect, onTestFinished, test } from "vitest";
import { WITHIN, redisSetup, visibleTo } from "../support/redis-setup.ts";
import { describeWithRedis, type Redis } from "../support/redis.ts";
import { ALICE, BOB } from "../support/setup.ts";

const DAMAGES: readonly {
  readonly what: string;
  readonly damage: (value: Buffer, bobs: Buffer) => Buffer;
}[] = [
  { what: "one bit of its tag flipped", damage: (value) => flipped(value, value.length - 1) },
  { what: "one bit of its time flipped", damage: (value) => flipped(value, 6) },
  { what: "one bit of its text flipped", damage: (value) => flipped(value, 40) },
  { what: "its end cut off", damage: (value) => value.subarray(0, -1) },
  { what: "nothing left but its begin", damage: (value) => value.subarray(0, 10) },
  { what: "something after its end", damage: (value) => Buffer.concat([value, Buffer.alloc(1)]) },
  { what: "another format", damage: (value) => Buffer.concat([Buffer.of(2), value.subarray(1)]) },
  { what: "another caller's bytes in its place", damage: (_, bobs) => bobs },
  { what: "text in its place", damage: () => Buffer.from('{"object":"list","data":[]}') },
  { what: "emptiness in its place", damage: () => Buffer.alloc(0) },
  { what: "50 MB in its place", damage: () => Buffer.alloc(50_000_000, 1) },
];

describeWithRedis("a shared list", { timeout: 40_000 }, () => {
  test.for(DAMAGES)("with $what is a miss, and replaced", async ({ damage }) => {
    const { redis, nano, start, share } = await redisSetup();
    const [one, other] = [await start(), await start()];
    const raw = await rawly(redis);
    await share(one, other, BOB);
    const [bobs = ""] = await raw.keys();
    await share(one, other, ALICE);
    const alices = (await raw.keys()).find((key) => key !== bobs) ?? "";
    const bobsValue = (await raw.lists(bobs))[0]?.value ?? Buffer.alloc(0);
    const [kept] = await raw.lists(alices);
    if (kept === undefined) throw new Error("Nothing is shared");

    await raw.client.hSet(alices, kept.field, damage(kept.value, bobsValue));
    const sentBefore = await sentBy(redis);
    expect(await other.stored(ALICE)).toBeUndefined();
    // What is too large to be a list is not even fetched.
    expect((await sentBy(redis)) - sentBefore).toBeLessThan(1_000_000);
    if (damage(kept.value, bobsValue).length > 0) expect(await raw.lists(alices)).toEqual([]);
    nano.reset();
    const third = await start();
    expect(await third.list(ALICE)).toMatchObject({ status: 200, ids: visibleTo(ALICE) });
    expect(nano.lists()).toHaveLength(1);
    await share(third, other, ALICE);
    expect(await other.stored(BOB)).toEqual(visibleTo(BOB));
  });

  test.for(["SET", "LPUSH", "SADD"])("whose place is taken by a %s is a miss, and comes back", async (command) => {
    const { redis, start, share } = await redisSetup();
    const [one, other] = [await start(), await start()];
    const raw = await rawly(redis);
    await share(one, other, ALICE);
    const [key = ""] = await raw.keys();
    await redis.run("DEL", key);
    await redis.run(command, key, "something else");
    expect(await other.stored(ALICE)).toBeUndefined();
    expect(await redis.run("EXISTS", key)).toBe(0);
    await redis.run(command, key, "something else");
    // Written without a read before: a foreign value in its place is deleted too.
    await one.keylane.advance(1000);
    await one.list(ALICE, { headers: { "cache-control": "no-cache" } });
    await expect.poll(() => other.stored(ALICE), WITHIN).toEqual(visibleTo(ALICE));
    for (const each of [one, other]) expect(await each.storeLog()).toEqual([]);
  });

  test.for([
    { what: "a mark of 50 MB", fields: () => ["purged", Buffer.alloc(50_000_000, "1")] },
    {
      what: "ten thousand things of somebody else's",
      fields: () => Array.from({ length: 10_000 }, (_, index) => [`field ${index}`, "x"]).flat(),
    },
  ])("beside $what is a miss, and all of it goes", async ({ fields }) => {
    const { redis, start, share } = await redisSetup();
    const [one, other] = [await start(), await start()];
    const raw = await rawly(redis);
    await share(one, other, ALICE);
    const [key = ""] = await raw.keys();
    await redis.run("HSET", key, ...fields());
    const sentBefore = await sentBy(redis);
    expect(await (await start()).stored(ALICE)).toBeUndefined();
    expect(await redis.run("EXISTS", key)).toBe(0);
    expect((await sentBy(redis)) - sentBefore).toBeLessThan(100_000);
    // Asked without a look before.
    await redis.run("HSET", key, ...fields());
    await one.keylane.advance(1000);
    await one.list(ALICE, { headers: { "cache-control": "no-cache" } });
    const fresh = await start();
    await expect.poll(() => fresh.stored(ALICE), WITHIN).toEqual(visibleTo(ALICE));
    expect(await redis.run("HLEN", key)).toBe(1);
  });

  test("shows Redis neither models nor keys", async () => {
    const { redis, start, share } = await redisSetup();
    const [one, other] = [await start(), await start()];
    const raw = await rawly(redis);
    const seen: string[] = [];
    const monitor = createClient({ url: redis.url });
    await monitor.connect();
    onTestFinished(() => monitor.destroy());
    await monitor.monitor((line) => seen.push(line));
    await share(one, other, ALICE);
    await expect.poll(() => seen.join("\n"), WITHIN).toContain('"HSET"');
    const [key = ""] = await raw.keys();
    const stored = Buffer.concat((await raw.lists(key)).map(({ value }) => value)).toString("latin1");
    for (const text of [seen.join("\n"), stored, key]) {
      for (const secret of [ALICE, "alice", "gpt-4", "Hermes", "openai", "a secret"]) {
        expect(text).not.toContain(secret);
      }
    }
  });
});

function flipped(value: Buffer, at: number): Buffer {
  const changed = Buffer.from(value);
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}

async function sentBy(redis: Redis): Promise<number> {
  return Number(/total_net_output_bytes:(\d+)/.exec(String(await redis.run("INFO", "stats")))?.[1]);
}

/** What the operator of Redis sees: keys of clients, and the lists of one. */
async function rawly(redis: Redis) {
  const client = createClient({ url: redis.url });
  await client.connect();
  onTestFinished(() => client.destroy());
  const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  return {
    client,
    keys: async () => (await client.keys("keylane:1:*")).filter((key) => !key.includes("claim")),
    lists: async (key: string) =>
      Object.entries(await bytes.hGetAll(key))
        .map(([field, value]) => ({ field, value }))
        .filter(({ field }) => field !== "purged"),
  };
}
