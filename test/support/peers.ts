import { setTimeout as sleep } from "node:timers/promises";
import { startKeylane, type Keylane } from "./keylane.ts";
import { metricValue } from "./metrics-text.ts";
import type { Redis } from "./redis.ts";

export const CACHE_SECRET = "a secret that all of them share";

/** Starts so many Keylanes over one Redis, and resolves when each is connected and hears of purges. */
export async function startPeers(
  count: number,
  redis: Redis,
  settings: Record<string, string>,
): Promise<readonly Keylane[]> {
  const all = Array.from({ length: count }, () => startKeylane({ REDIS_URL: redis.url, CACHE_SECRET, ...settings }));
  const keylanes = await Promise.all(all);
  await connected(redis, count);
  return keylanes;
}

/** Makes several Keylanes look like one: each use of its address is that of any of them. */
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
 * Says whether all of them have been content with Redis since they were asked before: it answered each call in time.
 * While one is not, it may ask upstream what another has asked already.
 */
export async function expectSatisfied(keylanes: readonly Keylane[]): Promise<() => Promise<boolean>> {
  const failures = async () => {
    const pages = await Promise.all(keylanes.map(async ({ url }) => (await fetch(`${url}/metrics`)).text()));
    return pages.reduce((sum, page) => sum + FAILURES.reduce((own, name) => own + metricValue(page, name), 0), 0);
  };
  let before = await failures();
  return async () => {
    const last = before;
    before = await failures();
    return before === last;
  };
}

const FAILURES = ["keylane_shared_failures_total", "keylane_shared_short_circuited_total"];

/** Resolves when so many processes have a connection for commands and one that listens. */
export async function connected(redis: Redis, count: number): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    const lines = String(await redis.run("CLIENT", "LIST")).match(/^id=.* sub=\d+ /gm) ?? [];
    const listening = lines.filter((line) => !line.includes(" sub=0 ")).length;
    // This connection is one more.
    if (listening >= count && lines.length - listening > count) return;
    await sleep(20);
  }
  throw new Error(`Cannot go on: ${count} processes must be connected to Redis`);
}
