// The Redis store passes the contracts of remote stores and shared lists, also on a cluster.
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { codecs } from "../../src/node/codecs.ts";
import { createRedisStore } from "../../src/storage/redis.ts";
import { describeWithRedis, startRedis, type Redis } from "../support/redis.ts";
import { POLL } from "../support/stale-setup.ts";
import { sharedCacheContract } from "../support/shared-store-contract.ts";
import { remoteStoreContract, type StoreBackend } from "../support/remote-store-contract.ts";

const GUARANTEES = {
  minRetentionMs: 300,
  locksAreExclusive: true,
  purgesAreAnnounced: true,
  lateWritesAreRejected: true,
};

describeWithRedis("Redis", () => {
  remoteStoreContract("Redis", startBackend, GUARANTEES);
  sharedCacheContract("Redis", startBackend, codecs);
});

// A cluster rejects commands with keys of two slots. It takes two seconds to become ready, so all tests share one.
describeWithRedis("a node of a Redis Cluster", () => {
  let node: Redis;
  beforeAll(async () => {
    node = await startRedis(["--cluster-enabled", "yes"], undefined, () => {});
    await node.run("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
    await vi.waitFor(async () => {
      if (!String(await node.run("CLUSTER", "INFO")).includes("cluster_state:ok"))
        throw new Error("the cluster is not ready");
    }, POLL);
  });
  afterAll(() => node.stop());

  const start = async () => {
    await node.run("FLUSHALL");
    return backendOf(node);
  };
  remoteStoreContract("a node of a Redis Cluster", start, GUARANTEES);
  sharedCacheContract("a node of a Redis Cluster", start, codecs);

  test("rejects a command with keys of two slots", async () => {
    await expect(node.run("UNLINK", "one", "two")).rejects.toThrow("CROSSSLOT");
  });
});

async function startBackend(): Promise<StoreBackend> {
  return backendOf(await startRedis());
}

function backendOf({ url }: Redis): StoreBackend {
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
