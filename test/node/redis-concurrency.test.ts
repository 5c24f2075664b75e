import { expect, onTestFinished, test } from "vitest";
import { createRedisStore } from "../../src/storage/redis.ts";
import { describeWithRedis, startRedis } from "../support/redis.ts";

const CALLERS = 1000;

describeWithRedis("a Redis that is well", () => {
  test("is asked for each of a thousand callers who come at once", async () => {
    const { url } = await startRedis();
    const vault = createRedisStore(url, { maxBytes: 1_000_000, tombstoneTtlMs: 600_000, now: Date.now });
    onTestFinished(() => vault.close());
    await vault.firstAttempt;
    const sealed = new Uint8Array(100).fill(1);
    await vault.write("one", "list", sealed, 60_000);
    const all = Array.from({ length: CALLERS }, () => vault.read("one", "list"));
    const outcomes = await Promise.allSettled(all);
    const failed = outcomes.filter(({ status }) => status === "rejected");
    expect(failed).toEqual([]);
  });
});
