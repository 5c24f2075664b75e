import { expect, onTestFinished, test } from "vitest";
import { createRedisStore } from "../../src/storage/redis.ts";
import { describeWithRedis, startRedis } from "../support/redis.ts";

const CALLERS = 1000;

describeWithRedis("a working Redis", () => {
  test("is asked for each of a thousand clients who come at once", async () => {
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
    const all = Array.from({ length: CALLERS }, () => remoteStore.read("one", "list"));
    const outcomes = await Promise.allSettled(all);
    const failed = outcomes.filter(({ status }) => status === "rejected");
    expect(failed).toEqual([]);
  });
});
