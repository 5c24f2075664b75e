import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "undici";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { quantile, singleRow, type Row } from "./compare.ts";
import type { Server } from "./processes.ts";
import type { BenchSetup } from "./setup.ts";

const KEY = "key-for-the-bench";

/** How long the event loop stands still while a detailed list is refreshed behind a stale answer. */
export async function refresh(setup: BenchSetup): Promise<Row[]> {
  const nano = await startNanoGpt({ accounts: [{ key: KEY }] });
  setup.onCleanup(() => nano.stop());
  const keylane = await setup.keylane({ UPSTREAM_URL: nano.url, MAX_AGE: "10ms" });
  const [still, idle]: [number[], number[]] = [[], []];
  for (let turn = 0; turn < setup.scale.rounds * 6; turn++) {
    await longest(keylane);
    await sleep(60);
    idle.push(await longest(keylane));
    await ask(keylane.url);
    await sleep(60);
    still.push(await longest(keylane));
  }
  const name = "refresh: longest stop of the loop";
  return [
    singleRow(name, "keylane, no refresh", "ms", warm(idle)),
    singleRow(name, "keylane, a refresh", "ms", warm(still)),
    singleRow(`${name}, p95`, "keylane, a refresh", "ms", [quantile(warm(still), 0.95)]),
    singleRow(`${name}, cold`, "keylane, first fetch", "ms", still.slice(0, 1)),
    singleRow(`${name}, cold`, "keylane, first refresh", "ms", still.slice(1, 2)),
  ];
}

// The first ones run before the code is compiled.
function warm(all: readonly number[]): readonly number[] {
  return all.slice(Math.floor(all.length / 3));
}

async function ask(url: string): Promise<void> {
  const headers = { authorization: `Bearer ${KEY}`, "accept-encoding": "gzip" };
  const answer = await request(`${url}/v1/models?detailed=true`, { headers });
  await answer.body.dump({ limit: 1e9 });
  if (answer.statusCode !== 200) throw new Error(`A list was answered ${answer.statusCode}`);
}

async function longest({ child }: Server): Promise<number> {
  child.send("loop");
  const [received] = await once(child, "message");
  return Number(received);
}
