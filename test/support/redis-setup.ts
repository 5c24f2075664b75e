import { expect, onTestFinished } from "vitest";
import { startKeylane, type Keylane } from "./keylane.ts";
import { startNanoGpt, type NanoGpt } from "./nanogpt/nanogpt.ts";
import { startRedis, type Redis } from "./redis.ts";
import { ACCOUNTS, ALICE, BOB } from "./setup.ts";

/** Time for a reconnect after a back-off, or for detecting a dead connection. */
export const WITHIN = { timeout: 20_000, interval: 50 } as const;

/** One process over a shared Redis, as its clients and its operator see it. */
export interface Process {
  readonly keylane: Keylane;
  list(key: string, init?: RequestInit): Promise<Listed>;
  /** What it would serve without asking upstream. */
  stored(key: string): Promise<readonly string[] | undefined>;
  purge(key: string): Promise<number>;
  isReady(): Promise<boolean>;
  /** What was logged about the shared store. */
  storeLog(): Promise<StoreLogLine[]>;
}

export interface Listed {
  readonly status: number;
  readonly by: string | null;
  readonly ids: readonly string[];
}

export interface StoreLogLine {
  readonly level: string;
  readonly error?: string;
}

export interface RedisSetup {
  readonly nano: NanoGpt;
  readonly redis: Redis;
  /** Starts one more process; by default at the Redis of the setup. */
  readonly start: (redisUrl?: string) => Promise<Process>;
  /** Resolves when both know the same list: one asks upstream, the other hears of it. */
  readonly share: (one: Process, other: Process, key: string) => Promise<void>;
}

/** Starts a stand-in and a Redis; all stops when the test ends. */
export async function redisSetup(options: readonly string[] = []): Promise<RedisSetup> {
  const redis = await startRedis(options);
  const nano = await startNanoGpt({ accounts: ACCOUNTS });
  onTestFinished(() => nano.stop());
  return {
    nano,
    redis,
    async start(redisUrl = redis.url) {
      const keylane = await startKeylane({
        UPSTREAM_URL: nano.url,
        REDIS_URL: redisUrl,
        CACHE_SECRET: "a secret that all of them share",
      });
      onTestFinished(() => keylane.stop());
      return processOf(keylane);
    },
    async share(one, other, key) {
      const shared = async () => {
        await one.purge(key);
        await one.list(key);
        // It is put into Redis behind the answer; to ask at once, each time, could be too early each time.
        let stored: readonly string[] | undefined;
        for (let turn = 0; turn < 10 && stored === undefined; turn++) stored = await other.stored(key);
        return stored;
      };
      await expect.poll(shared, WITHIN).toEqual(visibleTo(key));
    },
  };
}

/** The ids that a key's own list has. */
export function visibleTo(key: string): string[] {
  const visible = ACCOUNTS.find((account) => account.key === key)?.visible;
  return Array.isArray(visible) ? [...visible].sort((a, b) => (a < b ? -1 : 1)) : [];
}

function processOf(keylane: Keylane): Process {
  const ask = (key: string, init: RequestInit = {}) =>
    fetch(`${keylane.url}/v1/models`, {
      ...init,
      headers: { authorization: `Bearer ${key}`, ...(init.headers as Record<string, string>) },
    });
  const list = async (key: string, init?: RequestInit) => {
    const answer = await ask(key, init);
    const { data = [] } = (await answer.json()) as { data?: { id: string }[] };
    const ids = data.map(({ id }) => id).sort((a, b) => (a < b ? -1 : 1));
    return { status: answer.status, by: answer.headers.get("cache-status"), ids };
  };
  return {
    keylane,
    list,
    async stored(key) {
      const { status, ids } = await list(key, { headers: { "cache-control": "only-if-cached" } });
      return status === 200 ? ids : undefined;
    },
    purge: async (key) => (await ask(key, { method: "DELETE" })).status,
    isReady: async () => (await fetch(`${keylane.url}/readyz`)).ok,
    async storeLog() {
      const lines = (await keylane.log()).map((line) => JSON.parse(line) as StoreLogLine & { msg: string });
      return lines.filter(({ msg }) => msg.startsWith("Redis "));
    },
  };
}

/** Two processes that have Alice's and Bob's lists near; the first one's line to Redis may be another. */
export async function bothStore(all: RedisSetup, ownUrl: string, otherUrl?: string): Promise<[Process, Process]> {
  const [one, other] = [await all.start(ownUrl), await all.start(otherUrl)];
  for (const key of [ALICE, BOB]) {
    await all.share(one, other, key);
    await other.list(key);
  }
  await listeners(all, 2);
  return [one, other];
}

/** Starts one more process, that knows only what Redis knows. */
export async function startFresh(all: RedisSetup): Promise<Process> {
  const fresh = await all.start();
  await expect.poll(() => fresh.stored(BOB), WITHIN).toEqual(visibleTo(BOB));
  return fresh;
}

/** Has upstream refuse Alice's key, and one process learn of it. */
export async function revoke({ nano }: RedisSetup, one: Process, before?: () => Promise<unknown>): Promise<void> {
  nano.revoke(ALICE);
  // No sooner may a list be asked for again.
  await one.keylane.advance(1000);
  await before?.();
  expect(await one.list(ALICE, NO_CACHE)).toMatchObject({ status: 401 });
}

/** Resolves when so many processes hear of purges. */
export async function listeners({ redis }: Pick<RedisSetup, "redis">, count: number): Promise<void> {
  await expect.poll(() => redis.run("PUBSUB", "NUMSUB", "keylane:1:purges"), WITHIN).toHaveProperty("1", count);
}

const NO_CACHE = { headers: { "cache-control": "no-cache" } };
