import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "undici";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { quantile, singleRow, type Row } from "./compare.ts";
import type { Server } from "./processes.ts";
import type { BenchSetup } from "./setup.ts";

const KEY = "key-for-the-bench";

/** Longest delay of the event loop while a detailed list is refreshed in the background. */
export async function refresh(setup: BenchSetup): Promise<Row[]> {
  const nano = await startNanoGpt({ accounts: [{ key: KEY }] });
  setup.onCleanup(() => nano.stop());
  const keylane = await setup.keylane({ UPSTREAM_URL: nano.url, MAX_AGE: "10ms" });
  const [refreshing, idle]: [number[], number[]] = [[], []];
  for (let round = 0; round < setup.scale.rounds * 6; round++) {
    await longestDelay(keylane);
    await sleep(60);
    idle.push(await longestDelay(keylane));
    await requestList(keylane.url);
    await sleep(60);
    refreshing.push(await longestDelay(keylane));
  }
  const name = "refresh: longest loop delay";
  return [
    singleRow(name, "keylane, no refresh", "ms", warm(idle)),
    singleRow(name, "keylane, a refresh", "ms", warm(refreshing)),
    singleRow(`${name}, p95`, "keylane, a refresh", "ms", [quantile(warm(refreshing), 0.95)]),
    singleRow(`${name}, cold`, "keylane, first fetch", "ms", refreshing.slice(0, 1)),
    singleRow(`${name}, cold`, "keylane, first refresh", "ms", refreshing.slice(1, 2)),
  ];
}

// V8 has not compiled the code in the first rounds.
function warm(all: readonly number[]): readonly number[] {
  return all.slice(Math.floor(all.length / 3));
}

async function requestList(url: string): Promise<void> {
  const headers = { authorization: `Bearer ${KEY}`, "accept-encoding": "gzip" };
  const response = await request(`${url}/v1/models?detailed=true`, { headers });
  await response.body.dump({ limit: 1e9 });
  if (response.statusCode !== 200) throw new Error(`The status was ${response.statusCode}`);
}

async function longestDelay({ child }: Server): Promise<number> {
  child.send("loop");
  const [ms] = await once(child, "message");
  return Number(ms);
}
