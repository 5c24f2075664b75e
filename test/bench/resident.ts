import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { singleRow, type Row } from "./compare.ts";
import { load } from "./load.ts";
import { buildKeylane, residentBytes, type Server } from "./processes.ts";
import type { BenchSetup } from "./setup.ts";

const MB = 2 ** 20;

/** Resident memory while one built program stores the detailed lists of many keys, with the default MEMORY_MAX_SIZE. */
export async function resident(setup: BenchSetup): Promise<Row[]> {
  const program = await buildKeylane();
  const rows: Row[] = [];
  for (const count of setup.scale.keys) {
    const keys = Array.from({ length: count }, (_, index) => `key-for-the-bench-${index}`);
    const nano = await startNanoGpt({ accounts: keys.map((key) => ({ key })) });
    setup.onCleanup(() => nano.stop());
    const keylane = await setup.keylane({ UPSTREAM_URL: nano.url }, program);
    const idle = await residentAfterGc(keylane);
    const requestAt = (directives: string) => (index: number) => ({
      path: "/v1/models?detailed=true",
      headers: {
        authorization: `Bearer ${keys[index]}`,
        "accept-encoding": "gzip",
        "cache-control": directives,
      },
    });
    await load(keylane, requestAt("max-age=3600"), count, 8);
    const full = await residentAfterGc(keylane);
    // Every list is still stored: for an evicted one the response would be 504, which ends the bench.
    await load(keylane, requestAt("only-if-cached"), count, 8);
    const name = `memory: ${count} keys`;
    rows.push(singleRow(name, "keylane, idle", "MB", [idle / MB]));
    rows.push({ ...singleRow(name, "keylane, full", "MB", [full / MB]), ratio: full / idle, bestRatio: full / idle });
    rows.push(singleRow(name, "keylane, over idle", "MB", [(full - idle) / MB]));
  }
  return rows;
}

async function residentAfterGc({ child }: Server): Promise<number> {
  for (let i = 0; i < 3; i++) {
    child.send("gc");
    await once(child, "message");
    await sleep(300);
  }
  return residentBytes(child.pid);
}
