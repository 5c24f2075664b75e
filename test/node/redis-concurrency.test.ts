// The Redis store does not fail because many clients need it at once.
import { expect, onTestFinished, test } from "vitest";
import { createRedisStore } from "../../src/storage/redis.ts";
import { describeWithRedis, startRedis } from "../support/redis.ts";

const CLIENTS = 1000;

describeWithRedis("a working Redis", () => {
  test("answers a thousand simultaneous reads", async () => {
    const { url } = await startRedis();
    const remoteStore = createRedisStore(url, {
      maxBytes: 1_000_000,
      tombstoneTtlMs: 600_000,
      now: Date.now,
    });
    onTestFinished(() => remoteStore.close());
    await remoteStore.firstAttempt;
    const sealed = new Uint8Array(100).fill(1);
    await remoteStore.write("one", "list", sealed, 60_000);
    const reads = Array.from({ length: CLIENTS }, () => remoteStore.read("one", "list"));
    const results = await Promise.allSettled(reads);
    const failed = results.filter(({ status }) => status === "rejected");
    expect(failed).toEqual([]);
  });
});
