import { bundledCatalogue } from "../support/nanogpt/catalogue.ts";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { compare, type Row } from "./compare.ts";
import { load, type LoadRequest } from "./load.ts";
import type { BenchSetup } from "./setup.ts";

const KEY = "key-for-the-bench";
const CONNECTIONS = 4;
const PATH = "/v1/models?detailed=true";
const headers = { authorization: `Bearer ${KEY}`, "accept-encoding": "gzip" };

/**
 * Each outcome of a list request: hit, 304, stale, missing key, two keys, miss. If BASELINE names another checkout, that
 * program runs in the same rounds and comes first, so that `ratio` compares this program with it.
 */
export async function outcomes(setup: BenchSetup): Promise<Row[]> {
  const baseline = process.env["BASELINE"];
  const { requests, rounds, warmUps } = setup.scale;
  const missesPerRound = Math.max(8, Math.floor(requests / 20));
  const [long, short] = ["long", "short"].map((kind) =>
    Array.from({ length: missesPerRound * (rounds + warmUps) * 2 }, (_, i) => `${KEY}-${kind}-${i}`),
  ) as [string[], string[]];
  const visible = bundledCatalogue()
    .slice(0, 3)
    .map(({ id }) => id);
  const nano = await startNanoGpt({
    accounts: [...[KEY, ...long].map((key) => ({ key })), ...short.map((key) => ({ key, visible }))],
  });
  setup.onCleanup(() => nano.stop());
  const programs = [
    ...(baseline === undefined ? [] : [{ name: "baseline", file: `${baseline}/src/node.ts` }]),
    { name: "keylane", file: "src/node.ts" },
  ];
  const start = (settings: Record<string, string>) =>
    Promise.all(
      programs.map(async ({ name, file }) => ({
        name,
        server: await setup.keylane({ UPSTREAM_URL: nano.url, MEMORY_MAX_SIZE: "512MB", ...settings }, file),
      })),
    );
  const fresh = await start({});
  const etags = await Promise.all(
    fresh.map(async ({ server }) => (await fetch(server.url + PATH, { headers })).headers.get("etag")),
  );
  const etag = etags[0] ?? "";
  // The stored list is stale, and its failed refresh is not repeated.
  const stale = await start({ MAX_AGE: "1ms", STALE_WHILE_REVALIDATE: "1h", REFUSAL_MAX_AGE: "1h" });
  for (const { server } of stale) await (await fetch(server.url + PATH, { headers })).arrayBuffer();
  nano.fail({ kind: "status", status: 503, body: "" });
  for (const { server } of stale) await (await fetch(server.url + PATH, { headers })).arrayBuffer();
  await new Promise((resolve) => {
    setTimeout(resolve, 100);
  });
  nano.fail(undefined);

  const cases: [string, typeof fresh, LoadRequest][] = [
    ["hit: gzip", fresh, { path: PATH, headers, coding: "gzip" }],
    ["hit: 304", fresh, { path: PATH, headers: { ...headers, "if-none-match": etag }, status: 304 }],
    ["stale", stale, { path: PATH, headers, coding: "gzip" }],
    ["missing key: 401", fresh, { path: PATH, status: 401 }],
    ["two keys: 400", fresh, { path: PATH, headers: { ...headers, "x-api-key": "other" }, status: 400 }],
  ];
  const rows: Row[] = [];
  for (const [name, servers, request] of cases) {
    const candidates = servers.map(({ name, server }) => ({
      name,
      run: () => load(server, () => request, requests, CONNECTIONS),
    }));
    rows.push(...(await compare(name, candidates, rounds, warmUps)));
  }
  for (const [name, keys] of Object.entries({ "miss: whole catalogue": long, "miss: 3 models": short })) {
    const candidates = fresh.map((program) => ({
      name: program.name,
      run: () => {
        const roundKeys = keys.splice(0, missesPerRound);
        return load(program.server, (index) => requestWith(roundKeys[index]), roundKeys.length, CONNECTIONS);
      },
    }));
    rows.push(...(await compare(name, candidates, rounds, warmUps)));
  }
  return rows;
}

function requestWith(key: string | undefined): LoadRequest {
  return { path: PATH, headers: { ...headers, authorization: `Bearer ${key}` } };
}
