// A lock that its owner never releases delays a client, but not for ever.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { redisSetup, visibleTo } from "../support/redis-setup.ts";
import { describeWithRedis } from "../support/redis.ts";
import { ALICE } from "../support/setup.ts";

describeWithRedis("a lock that is never released", { timeout: 40_000 }, () => {
  test("delays a client like a peer's fetch; then the process fetches itself, which is not `collapsed`", async () => {
    const { redis, nano, start, share } = await redisSetup();
    const [one, other] = [await start(), await start()];
    await share(one, other, ALICE);
    const [key = ""] = (await redis.run("KEYS", "keylane:1:*")) as string[];
    const fields = (await redis.run("HKEYS", key)) as string[];
    const name = fields.find((field) => field !== "purged") ?? "";
    await redis.run("SET", key.replace("keylane:1:", "keylane:1:claim:") + `:${name}`, "another process");
    await redis.run("DEL", key);
    nano.reset();
    const third = await start();
    const waiting = third.list(ALICE);
    await sleep(500);
    expect(nano.lists()).toHaveLength(0);
    expect(await waiting).toEqual({
      status: 200,
      cacheStatus: "keylane; fwd=uri-miss; stored",
      ids: visibleTo(ALICE),
    });
    expect(nano.lists()).toHaveLength(1);
  });
});
