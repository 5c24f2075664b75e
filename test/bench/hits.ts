import { bundledCatalogue } from "../support/nanogpt/catalogue.ts";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { compare, type Candidate, type Row } from "./compare.ts";
import { load, type LoadRequest } from "./load.ts";
import { nginx } from "./nginx.ts";
import { startCannedServer } from "./canned-responses.ts";
import type { BenchSetup } from "./setup.ts";

const KEY = "key-for-the-bench";
const CONNECTIONS = 4;
// A prime, so that keys are not used in the order in which their lists were stored: a CPU prefetches adjacent memory.
const STRIDE = 769;
const DETAILED = "/v1/models?detailed=true";
const keyFields = { authorization: `Bearer ${KEY}` };
const DESCRIPTION = "A model for many tasks, described at length as live catalogues describe theirs. ".repeat(5);

/** Hits on the real catalogue: each coding and shape, one model, 304, and models with long descriptions. */
export async function hits(setup: BenchSetup): Promise<Row[]> {
  const models = bundledCatalogue();
  const described = models.map((model) => ({ ...model, description: DESCRIPTION.slice(0, 350) }));
  return [
    ...(await hitsOn(setup, models, "")),
    ...(await hitsOn(setup, described, ", 350-character descriptions")),
    ...(await manyKeys(setup)),
  ];
}

async function hitsOn(setup: BenchSetup, models: ReturnType<typeof bundledCatalogue>, suffix: string) {
  const nano = await startNanoGpt({ accounts: [{ key: KEY }], models });
  setup.onCleanup(() => nano.stop());
  const keylane = await setup.keylane({ UPSTREAM_URL: nano.url });
  const id = models.at(-1)?.id ?? "";
  const requestsByName = new Map<string, LoadRequest>([
    ["gzip", { ...requestFor(DETAILED, "gzip"), coding: "gzip" }],
    ["br", { ...requestFor(DETAILED, "br"), coding: "br" }],
    ["identity", requestFor(DETAILED, "identity")],
    ["basic", requestFor("/v1/models", "gzip")],
    ["one-model", requestFor(`/v1/models/${encodeURIComponent(id)}?detailed=true`, "gzip")],
  ]);
  const { server: bare, etags } = await startCannedServer(keylane, requestsByName, setup.folder, setup.onCleanup);
  requestsByName.set("304", {
    ...requestFor(DETAILED, "gzip"),
    headers: { ...keyFields, "accept-encoding": "gzip", "if-none-match": etags.get("gzip") ?? "" },
    status: 304,
  });
  const [onTheFly, stored] = [await startNginx("on-the-fly"), await startNginx("stored")];
  const rows: Row[] = [];
  for (const [name, request] of requestsByName) {
    if (suffix !== "" && name !== "gzip" && name !== "identity") continue;
    const { requests, rounds, warmUps } = setup.scale;
    const run = (server: Parameters<typeof load>[0], path: string) => () =>
      load(server, () => ({ ...request, path }), requests, CONNECTIONS);
    const candidates: Candidate[] = [
      { name: "bare server", run: run(bare, `/${name === "304" ? "gzip" : name}`) },
      { name: "keylane", run: run(keylane, request.path) },
    ];
    const path = "/api/personalized/v1/models?detailed=true";
    if (name === "gzip" && onTheFly !== undefined)
      candidates.push({ name: "nginx, gzip on the fly", run: run(onTheFly, path) });
    if (name === "gzip" && stored !== undefined)
      candidates.push({ name: "nginx, stored gzip", run: run(stored, path) });
    rows.push(...(await compare(`hit: ${name}${suffix}`, candidates, rounds, warmUps)));
  }
  return rows;

  function startNginx(recipe: "on-the-fly" | "stored") {
    return nginx(recipe, nano.url, setup.folder, setup.onCleanup);
  }
}

/** Hits of one key, and of many keys in scattered order; the bare server shows the cost of so much memory alone. */
async function manyKeys(setup: BenchSetup): Promise<Row[]> {
  const count = setup.scale.keys.at(-1) ?? 1;
  const { requests, rounds, warmUps } = setup.scale;
  const requestCount = Math.max(requests, count);
  const keys = Array.from({ length: count }, (_, index) => `key-for-the-bench-${index}`);
  const nano = await startNanoGpt({ accounts: keys.map((key) => ({ key })) });
  setup.onCleanup(() => nano.stop());
  const keylane = await setup.keylane({ UPSTREAM_URL: nano.url, MEMORY_MAX_SIZE: "256MB" });
  const requestsByKey = new Map(keys.map((key) => [key, detailed(key)]));
  const { server: bare } = await startCannedServer(keylane, requestsByKey, setup.folder, setup.onCleanup);
  const candidates = [
    { name: "keylane", noun: "key", server: keylane, toRequest: detailed },
    { name: "bare server", noun: "response", server: bare, toRequest: canned },
  ].flatMap(({ name, noun, server, toRequest }) => {
    const baseline = `${name}, one ${noun}`;
    const run = (keyCount: number) => () =>
      load(server, (index) => toRequest(keys[(index * STRIDE) % keyCount] ?? ""), requestCount, CONNECTIONS);
    return [
      { name: baseline, baseline, run: run(1) },
      { name: `${name}, ${count} ${noun}s`, baseline, run: run(count) },
    ];
  });
  // The difference is small, so it takes more rounds.
  return compare("hit: gzip, by number of keys", candidates, 4 * rounds, warmUps);
}

const canned = (key: string): LoadRequest => ({ path: `/${key}` });
const detailed = (key: string): LoadRequest => ({ path: DETAILED, headers: headersOf(key, "gzip") });

function requestFor(path: string, coding: string): LoadRequest {
  return { path, headers: headersOf(KEY, coding) };
}

function headersOf(key: string, coding: string): Record<string, string> {
  return { authorization: `Bearer ${key}`, "accept-encoding": coding };
}
