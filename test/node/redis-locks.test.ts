import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { redisSetup, visibleTo } from "../support/redis-setup.ts";
import { describeWithRedis } from "../support/redis.ts";
import { ALICE } from "../support/setup.ts";

describeWithRedis("a claim that nobody lets go of", { timeout: 40_000 }, () => {
  test("keeps a client waiting as for a peer, who then asks and is not taken for a follower", async () => {
    const { redis, nano, start, share } = await redisSetup();
    const [one, other] = [await start(), await start()];
    await share(one, other, ALICE);
    const [key = ""] = (await redis.run("KEYS", "keylane:1:*")) as string[];
    const names = (await redis.run("HKEYS", key)) as string[];
    const name = names.find((one) => one !== "purged") ?? "";
    await redis.run("SET", key.replace("keylane:1:", "keylane:1:claim:") + `:${name}`, "somebody");
    await redis.run("DEL", key);
    nano.reset();
    const third = await start();
    const waiting = third.list(ALICE);
    await sleep(500);
    expect(nano.lists()).toHaveLength(0);
    expect(await waiting).toEqual({
      status: 200,
      by: "keylane; fwd=uri-miss; stored",
      ids: visibleTo(ALICE),
    });
    expect(nano.lists()).toHaveLength(1);
  });
});
