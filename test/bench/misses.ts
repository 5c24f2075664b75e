import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { compare, type Row } from "./compare.ts";
import { load } from "./load.ts";
import type { BenchSetup } from "./setup.ts";

const PATH = "/v1/models?detailed=true";
const CONNECTIONS = 4;

/** Lists that nobody holds yet, each asked with a key of its own, over an upstream that is near and one that is not. */
export async function misses(setup: BenchSetup): Promise<Row[]> {
  const each = Math.max(8, Math.floor(setup.scale.requests / 20));
  const keys = Array.from({ length: each * (setup.scale.rounds + 1) * 2 }, (_, i) => `key-for-the-bench-${i}`);
  const nano = await startNanoGpt({ accounts: keys.map((key) => ({ key })) });
  setup.onCleanup(() => nano.stop());
  const keylane = await setup.keylane({ UPSTREAM_URL: nano.url });
  const direct = { url: nano.url, cpuMicros: () => Promise.resolve(Number.NaN) };
  const rows: Row[] = [];
  for (const delayMs of [0, 150]) {
    nano.delay(delayMs);
    const run = (server: typeof direct, path: string) => async () => {
      const own = server === direct ? keys.slice(0, each) : keys.splice(0, each);
      const by = (turn: number) => ({
        path,
        headers: { authorization: `Bearer ${own[turn]}`, "accept-encoding": "gzip" },
      });
      const { ms = Number.NaN, ...figures } = await load(server, by, own.length, CONNECTIONS);
      return server === direct ? { ms } : { ms, ...figures };
    };
    const contestants = [
      { name: "upstream, asked directly", run: run(direct, `/personalized${PATH}`) },
      { name: "keylane", run: run(keylane, PATH) },
    ];
    rows.push(...(await compare(`miss: upstream takes ${delayMs} ms`, contestants, setup.scale.rounds)));
    nano.reset();
  }
  return rows;
}
