import { setTimeout as sleep } from "node:timers/promises";
import { startKeylane, type Keylane } from "./keylane.ts";
import { metricValue } from "./metrics-text.ts";
import type { Redis } from "./redis.ts";

export const CACHE_SECRET = "a secret that all processes share";

/** Starts several Keylanes over one Redis; resolves when all are connected and subscribed to purges. */
export async function startPeers(
  count: number,
  redis: Redis,
  settings: Record<string, string>,
): Promise<readonly Keylane[]> {
  const start = () => startKeylane({ REDIS_URL: redis.url, CACHE_SECRET, ...settings });
  const keylanes = await Promise.all(Array.from({ length: count }, start));
  await waitForConnections(redis, count);
  return keylanes;
}

/** Several Keylanes as one: each use of `url` gives the address of a random one. */
export function asOneServer(keylanes: readonly Keylane[]): Keylane {
  return {
    get url() {
      return keylanes[Math.floor(Math.random() * keylanes.length)]?.url ?? "";
    },
    async advance(ms) {
      await Promise.all(keylanes.map((one) => one.advance(ms)));
    },
    log: async () => (await Promise.all(keylanes.map((one) => one.log()))).flat(),
    async stop() {
      await Promise.all(keylanes.map((one) => one.stop()));
    },
  };
}

/**
 * Gives a function that says whether every call to Redis has succeeded since the function was last called. After a
 * failure, a process may ask upstream for a list that a peer has fetched already.
 */
export async function trackStoreFailures(keylanes: readonly Keylane[]): Promise<() => Promise<boolean>> {
  const failures = async () => {
    const pages = await Promise.all(keylanes.map(async ({ url }) => (await fetch(`${url}/metrics`)).text()));
    return pages.reduce((sum, page) => sum + FAILURES.reduce((total, name) => total + metricValue(page, name), 0), 0);
  };
  let last = await failures();
  return async () => {
    const before = last;
    last = await failures();
    return last === before;
  };
}

const FAILURES = ["keylane_shared_failures_total", "keylane_shared_short_circuited_total"];

/** Resolves when so many processes have both their connections: one for commands and one for subscriptions. */
export async function waitForConnections(redis: Redis, count: number): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    const lines = String(await redis.run("CLIENT", "LIST")).match(/^id=.* sub=\d+ /gm) ?? [];
    const subscribed = lines.filter((line) => !line.includes(" sub=0 ")).length;
    // The connection of this test is one more.
    if (subscribed >= count && lines.length - subscribed > count) return;
    await sleep(20);
  }
  throw new Error(`Expected ${count} processes to be connected to Redis`);
}
