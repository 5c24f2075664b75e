import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { compare, type Row } from "./compare.ts";
import { load } from "./load.ts";
import type { BenchSetup } from "./setup.ts";

const PATH = "/v1/models?detailed=true";
const CONNECTIONS = 4;

/** Lists that are not stored, each with its own key, from an upstream that answers at once and one that takes 150 ms. */
export async function misses(setup: BenchSetup): Promise<Row[]> {
  const missesPerRound = Math.max(8, Math.floor(setup.scale.requests / 20));
  const keys = Array.from(
    { length: missesPerRound * (setup.scale.rounds + 1) * 2 },
    (_, i) => `key-for-the-bench-${i}`,
  );
  const nano = await startNanoGpt({ accounts: keys.map((key) => ({ key })) });
  setup.onCleanup(() => nano.stop());
  const keylane = await setup.keylane({ UPSTREAM_URL: nano.url });
  const direct = { url: nano.url, cpuMicros: () => Promise.resolve(Number.NaN) };
  const rows: Row[] = [];
  for (const delayMs of [0, 150]) {
    nano.delay(delayMs);
    const run = (server: typeof direct, path: string) => async () => {
      const roundKeys = server === direct ? keys.slice(0, missesPerRound) : keys.splice(0, missesPerRound);
      const requestAt = (index: number) => ({
        path,
        headers: { authorization: `Bearer ${roundKeys[index]}`, "accept-encoding": "gzip" },
      });
      const { ms = Number.NaN, ...measured } = await load(server, requestAt, roundKeys.length, CONNECTIONS);
      return server === direct ? { ms } : { ms, ...measured };
    };
    const candidates = [
      { name: "upstream, direct", run: run(direct, `/personalized${PATH}`) },
      { name: "keylane", run: run(keylane, PATH) },
    ];
    rows.push(...(await compare(`miss: upstream takes ${delayMs} ms`, candidates, setup.scale.rounds)));
    nano.reset();
  }
  return rows;
}
