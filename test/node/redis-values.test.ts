// Redis learns nothing from what is stored there, and a corrupted or foreign value is a miss.
import { createClient, RESP_TYPES } from "@redis/client";
import { expect, onTestFinished, test } from "vitest";
import { RECONNECT_POLL, redisSetup, visibleTo } from "../support/redis-setup.ts";
import { describeWithRedis, type Redis } from "../support/redis.ts";
import { ALICE, BOB } from "../support/setup.ts";

const CORRUPTIONS: readonly {
  readonly what: string;
  readonly corrupt: (value: Buffer, bobsValue: Buffer) => Buffer;
}[] = [
  { what: "one bit of its tag flipped", corrupt: (value) => flipped(value, value.length - 1) },
  { what: "one bit of its time flipped", corrupt: (value) => flipped(value, 6) },
  { what: "one bit of its text flipped", corrupt: (value) => flipped(value, 40) },
  { what: "its last byte removed", corrupt: (value) => value.subarray(0, -1) },
  { what: "all but its beginning removed", corrupt: (value) => value.subarray(0, 10) },
  { what: "a byte after its end", corrupt: (value) => Buffer.concat([value, Buffer.alloc(1)]) },
  { what: "another format", corrupt: (value) => Buffer.concat([Buffer.of(2), value.subarray(1)]) },
  { what: "another client's bytes in its place", corrupt: (_, bobsValue) => bobsValue },
  { what: "text in its place", corrupt: () => Buffer.from('{"object":"list","data":[]}') },
  { what: "no bytes in its place", corrupt: () => Buffer.alloc(0) },
  { what: "50 MB in its place", corrupt: () => Buffer.alloc(50_000_000, 1) },
];

describeWithRedis("a shared list", { timeout: 40_000 }, () => {
  test.for(CORRUPTIONS)("with $what is a miss, and is replaced", async ({ corrupt }) => {
    const { redis, nano, start, share } = await redisSetup();
    const [one, other] = [await start(), await start()];
    const operator = await connectOperator(redis);
    await share(one, other, BOB);
    const [bobsKey = ""] = await operator.keys();
    await share(one, other, ALICE);
    const alicesKey = (await operator.keys()).find((key) => key !== bobsKey) ?? "";
    const bobsValue = (await operator.lists(bobsKey))[0]?.value ?? Buffer.alloc(0);
    const [stored] = await operator.lists(alicesKey);
    if (stored === undefined) throw new Error("No list is shared");

    await operator.client.hSet(alicesKey, stored.field, corrupt(stored.value, bobsValue));
    const bytesBefore = await bytesSentBy(redis);
    expect(await other.stored(ALICE)).toBeUndefined();
    // A value that is too large to be a list is not read.
    expect((await bytesSentBy(redis)) - bytesBefore).toBeLessThan(1_000_000);
    if (corrupt(stored.value, bobsValue).length > 0) expect(await operator.lists(alicesKey)).toEqual([]);
    nano.reset();
    const third = await start();
    expect(await third.list(ALICE)).toMatchObject({ status: 200, ids: visibleTo(ALICE) });
    expect(nano.lists()).toHaveLength(1);
    await share(third, other, ALICE);
    expect(await other.stored(BOB)).toEqual(visibleTo(BOB));
  });

  test.for(["SET", "LPUSH", "SADD"])(
    "replaced with the value of a %s is a miss, and is stored again",
    async (command) => {
      const { redis, start, share } = await redisSetup();
      const [one, other] = [await start(), await start()];
      const operator = await connectOperator(redis);
      await share(one, other, ALICE);
      const [key = ""] = await operator.keys();
      await redis.run("DEL", key);
      await redis.run(command, key, "foreign value");
      expect(await other.stored(ALICE)).toBeUndefined();
      expect(await redis.run("EXISTS", key)).toBe(0);
      await redis.run(command, key, "foreign value");
      // A write that no read precedes deletes a foreign value too.
      await one.keylane.advance(1000);
      await one.list(ALICE, { headers: { "cache-control": "no-cache" } });
      await expect.poll(() => other.stored(ALICE), RECONNECT_POLL).toEqual(visibleTo(ALICE));
      for (const process of [one, other]) expect(await process.storeLog()).toEqual([]);
    },
  );

  test.for([
    { what: "a tombstone of 50 MB", fields: () => ["purged", Buffer.alloc(50_000_000, "1")] },
    {
      what: "ten thousand foreign fields",
      fields: () => Array.from({ length: 10_000 }, (_, index) => [`field ${index}`, "x"]).flat(),
    },
  ])("beside $what is a miss, and the whole hash is deleted", async ({ fields }) => {
    const { redis, start, share } = await redisSetup();
    const [one, other] = [await start(), await start()];
    const operator = await connectOperator(redis);
    await share(one, other, ALICE);
    const [key = ""] = await operator.keys();
    await redis.run("HSET", key, ...fields());
    const bytesBefore = await bytesSentBy(redis);
    expect(await (await start()).stored(ALICE)).toBeUndefined();
    expect(await redis.run("EXISTS", key)).toBe(0);
    expect((await bytesSentBy(redis)) - bytesBefore).toBeLessThan(100_000);
    // The same with a write that no read precedes.
    await redis.run("HSET", key, ...fields());
    await one.keylane.advance(1000);
    await one.list(ALICE, { headers: { "cache-control": "no-cache" } });
    const newProcess = await start();
    await expect.poll(() => newProcess.stored(ALICE), RECONNECT_POLL).toEqual(visibleTo(ALICE));
    expect(await redis.run("HLEN", key)).toBe(1);
  });

  test("reveals neither models nor keys to Redis", async () => {
    const { redis, start, share } = await redisSetup();
    const [one, other] = [await start(), await start()];
    const operator = await connectOperator(redis);
    const seen: string[] = [];
    const monitor = createClient({ url: redis.url });
    await monitor.connect();
    onTestFinished(() => monitor.destroy());
    await monitor.monitor((line) => seen.push(line));
    await share(one, other, ALICE);
    await expect.poll(() => seen.join("\n"), RECONNECT_POLL).toContain('"HSET"');
    const [key = ""] = await operator.keys();
    const stored = Buffer.concat((await operator.lists(key)).map(({ value }) => value)).toString("latin1");
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

async function bytesSentBy(redis: Redis): Promise<number> {
  return Number(/total_net_output_bytes:(\d+)/.exec(String(await redis.run("INFO", "stats")))?.[1]);
}

/** A client of Redis that sees what its operator can see: the keys of all clients, and the lists of one. */
async function connectOperator(redis: Redis) {
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
