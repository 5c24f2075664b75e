import { expect, onTestFinished } from "vitest";
import { startKeylane, type Keylane } from "./keylane.ts";
import { startNanoGpt, type NanoGpt } from "./nanogpt/nanogpt.ts";
import { CACHE_SECRET } from "./peers.ts";
import { startRedis, type Redis } from "./redis.ts";
import { ACCOUNTS, ALICE, BOB } from "./setup.ts";

/** Poll options with time for a reconnect after a back-off, or for detecting a dead connection. */
export const RECONNECT_POLL = { timeout: 20_000, interval: 50 } as const;

/** One process over a shared Redis, as clients and operators see it. */
export interface Process {
  readonly keylane: Keylane;
  list(key: string, init?: RequestInit): Promise<ListResult>;
  /** The ids of a list that the process has without asking upstream; undefined if there is none. */
  stored(key: string): Promise<readonly string[] | undefined>;
  purge(key: string): Promise<number>;
  isReady(): Promise<boolean>;
  /** The log lines about the shared store. */
  storeLog(): Promise<StoreLogLine[]>;
}

export interface ListResult {
  readonly status: number;
  readonly cacheStatus: string | null;
  readonly ids: readonly string[];
}

export interface StoreLogLine {
  readonly level: string;
  readonly error?: string;
}

export interface RedisSetup {
  readonly nano: NanoGpt;
  readonly redis: Redis;
  /** Starts one more process, by default with a direct connection to Redis. */
  readonly start: (redisUrl?: string) => Promise<Process>;
  /** Resolves when `other` has got a list through Redis that `one` has fetched. */
  readonly share: (one: Process, other: Process, key: string) => Promise<void>;
}

/** Starts a NanoGPT stand-in and a Redis; everything stops when the test ends. */
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
        CACHE_SECRET,
      });
      onTestFinished(() => keylane.stop());
      return processOf(keylane);
    },
    async share(one, other, key) {
      const shared = async () => {
        await one.purge(key);
        await one.list(key);
        // The list is written to Redis after the response, so a single request could be too early each time.
        let stored: readonly string[] | undefined;
        for (let attempt = 0; attempt < 10 && stored === undefined; attempt++) stored = await other.stored(key);
        return stored;
      };
      await expect.poll(shared, RECONNECT_POLL).toEqual(visibleTo(key));
    },
  };
}

/** The ids in a key's list. */
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
    return { status: answer.status, cacheStatus: answer.headers.get("cache-status"), ids };
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

/** Starts two processes with Alice's and Bob's lists in memory; each may connect to Redis through a proxy. */
export async function startPair(all: RedisSetup, oneUrl?: string, otherUrl?: string): Promise<[Process, Process]> {
  const [one, other] = [await all.start(oneUrl), await all.start(otherUrl)];
  for (const key of [ALICE, BOB]) {
    await all.share(one, other, key);
    await other.list(key);
  }
  await waitForSubscribers(all, 2);
  return [one, other];
}

/** Starts one more process, whose only source of lists is Redis. */
export async function startNewProcess(all: RedisSetup): Promise<Process> {
  const process = await all.start();
  await expect.poll(() => process.stored(BOB), RECONNECT_POLL).toEqual(visibleTo(BOB));
  return process;
}

/** Revokes Alice's key upstream, and requests her list from one process, which gets a 401. */
export async function revoke({ nano }: RedisSetup, one: Process, before?: () => Promise<unknown>): Promise<void> {
  nano.revoke(ALICE);
  // With no-cache, upstream is asked at most once a second.
  await one.keylane.advance(1000);
  await before?.();
  expect(await one.list(ALICE, NO_CACHE)).toMatchObject({ status: 401 });
}

/** Resolves when so many processes are subscribed to purges. */
export async function waitForSubscribers({ redis }: Pick<RedisSetup, "redis">, count: number): Promise<void> {
  await expect.poll(() => redis.run("PUBSUB", "NUMSUB", "keylane:1:purges"), RECONNECT_POLL).toHaveProperty("1", count);
}

const NO_CACHE = { headers: { "cache-control": "no-cache" } };
