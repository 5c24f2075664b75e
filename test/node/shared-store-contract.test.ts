import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { codecs } from "../../src/node/codecs.ts";
import { createRedisStore } from "../../src/storage/redis.ts";
import { describeWithRedis, startRedis, type Redis } from "../support/redis.ts";
import { POLL } from "../support/stale-setup.ts";
import { sharedCacheContract } from "../support/shared-store-contract.ts";
import { remoteStoreContract } from "../support/remote-store-contract.ts";
import type { StorePlace } from "../support/remote-store-guarantees.ts";

const PROMISES = {
  leastRetentionMs: 300,
  claimsAreExclusive: true,
  purgesAreHeard: true,
  lateWritesAreRefused: true,
};

describeWithRedis("Redis", () => {
  remoteStoreContract("Redis", inRedis, PROMISES);
  sharedCacheContract("Redis", inRedis, codecs);
});

// Where commands about keys of two slots are refused. It takes two seconds before it works, so all tests share one.
describeWithRedis("a node of a Redis Cluster", () => {
  let node: Redis;
  beforeAll(async () => {
    node = await startRedis(["--cluster-enabled", "yes"], undefined, () => {});
    await node.run("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
    await vi.waitFor(async () => {
      if (!String(await node.run("CLUSTER", "INFO")).includes("cluster_state:ok")) throw new Error("not yet");
    }, POLL);
  });
  afterAll(() => node.stop());

  const start = async () => {
    await node.run("FLUSHALL");
    return over(node);
  };
  remoteStoreContract("a node of a Redis Cluster", start, PROMISES);
  sharedCacheContract("a node of a Redis Cluster", start, codecs);

  test("refuses what is about keys of two slots", async () => {
    await expect(node.run("UNLINK", "one", "two")).rejects.toThrow("CROSSSLOT");
  });
});

async function inRedis(): Promise<StorePlace> {
  return over(await startRedis());
}

function over({ url }: Redis): StorePlace {
  return {
    async open() {
      const remoteStore = createRedisStore(url, {
        maxBytes: 1_000_000,
        tombstoneTtlMs: 600_000,
        now: Date.now,
      });
      onTestFinished(() => remoteStore.close());
      await remoteStore.firstAttempt;
      return remoteStore;
    },
  };
}
