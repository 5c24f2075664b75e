import { onTestFinished } from "vitest";
import { codecs } from "../../src/node/codecs.ts";
import { redisVault } from "../../src/stores/redis.ts";
import { describeWithRedis, startRedis } from "../support/redis.ts";
import { sharedContract } from "../support/shared-contract.ts";
import { vaultContract, type Place } from "../support/vault-contract.ts";

describeWithRedis("Redis", () => {
  vaultContract("Redis", inRedis, {
    leastRetentionMs: 300,
    claimsAreExclusive: true,
    purgesAreHeard: true,
    lateWritesAreRefused: true,
  });
  sharedContract("Redis", inRedis, codecs);
});

async function inRedis(): Promise<Place> {
  const redis = await startRedis();
  return {
    async open() {
      const vault = redisVault(redis.url, 1_000_000);
      onTestFinished(() => vault.close());
      await vault.tried;
      return vault;
    },
  };
}
