import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { singleRow, type Row } from "./compare.ts";
import { load } from "./load.ts";
import { buildKeylane, residentBytes, type Server } from "./processes.ts";
import type { BenchSetup } from "./setup.ts";

const MB = 2 ** 20;

/** Resident memory while one built program holds the detailed lists of so many keys, at the default MEMORY_MAX_SIZE. */
export async function resident(setup: BenchSetup): Promise<Row[]> {
  const program = await buildKeylane();
  const rows: Row[] = [];
  for (const count of setup.scale.keys) {
    const keys = Array.from({ length: count }, (_, index) => `key-for-the-bench-${index}`);
    const nano = await startNanoGpt({ accounts: keys.map((key) => ({ key })) });
    setup.onCleanup(() => nano.stop());
    const keylane = await setup.keylane({ UPSTREAM_URL: nano.url }, program);
    const idle = await settled(keylane);
    const by = (directives: string) => (turn: number) => ({
      path: "/v1/models?detailed=true",
      headers: {
        authorization: `Bearer ${keys[turn]}`,
        "accept-encoding": "gzip",
        "cache-control": directives,
      },
    });
    await load(keylane, by("max-age=3600"), count, 8);
    const full = await settled(keylane);
    // Each is still there: a list that had to leave would be answered 504, and end the bench.
    await load(keylane, by("only-if-cached"), count, 8);
    const name = `memory: ${count} keys`;
    rows.push(singleRow(name, "keylane, idle", "MB", [idle / MB]));
    const own = singleRow(name, "keylane, full", "MB", [full / MB]);
    rows.push({ ...own, ratio: full / idle, bestRatio: full / idle });
    rows.push(singleRow(name, "keylane, over idle", "MB", [(full - idle) / MB]));
  }
  return rows;
}

async function settled({ child }: Server): Promise<number> {
  for (let turn = 0; turn < 3; turn++) {
    child.send("gc");
    await once(child, "message");
    await sleep(300);
  }
  return residentBytes(child.pid);
}
