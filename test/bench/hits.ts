import { bundledCatalogue } from "../support/nanogpt/catalogue.ts";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { compare, type Candidate, type Row } from "./compare.ts";
import { load, type LoadRequest } from "./load.ts";
import { nginx } from "./nginx.ts";
import { startCannedServer } from "./canned-responses.ts";
import type { BenchSetup } from "./setup.ts";

const KEY = "key-for-the-bench";
const CONNECTIONS = 4;
// A prime: clients do not come in the order in which their lists were stored, and a processor fetches what lies next.
const STRIDE = 769;
const DETAILED = "/v1/models?detailed=true";
const keyFields = { authorization: `Bearer ${KEY}` };
const DESCRIPTION = "A model for many tasks, described at length as live catalogues describe theirs. ".repeat(5);

/** Hits on the real catalogue: each coding and shape, one model, 304; and rows with long descriptions. */
export async function hits(setup: BenchSetup): Promise<Row[]> {
  const models = bundledCatalogue();
  const described = models.map((model) => ({ ...model, description: DESCRIPTION.slice(0, 350) }));
  return [
    ...(await over(setup, models, "")),
    ...(await over(setup, described, ", 350-character descriptions")),
    ...(await manyKeys(setup)),
  ];
}

async function over(setup: BenchSetup, models: ReturnType<typeof bundledCatalogue>, suffix: string) {
  const nano = await startNanoGpt({ accounts: [{ key: KEY }], models });
  setup.onCleanup(() => nano.stop());
  const keylane = await setup.keylane({ UPSTREAM_URL: nano.url });
  const id = models.at(-1)?.id ?? "";
  const all = new Map<string, LoadRequest>([
    ["gzip", { ...asked(DETAILED, "gzip"), coding: "gzip" }],
    ["br", { ...asked(DETAILED, "br"), coding: "br" }],
    ["identity", asked(DETAILED, "identity")],
    ["basic", asked("/v1/models", "gzip")],
    ["one-model", asked(`/v1/models/${encodeURIComponent(id)}?detailed=true`, "gzip")],
  ]);
  const { server: bare, etags } = await startCannedServer(keylane, all, setup.folder, setup.onCleanup);
  all.set("304", {
    ...asked(DETAILED, "gzip"),
    headers: { ...keyFields, "accept-encoding": "gzip", "if-none-match": etags.get("gzip") ?? "" },
    status: 304,
  });
  const [fly, stored] = [await recipe("fly"), await recipe("stored")];
  const rows: Row[] = [];
  for (const [name, sent] of all) {
    if (suffix !== "" && name !== "gzip" && name !== "identity") continue;
    const { requests, rounds, warmUps } = setup.scale;
    const run = (server: Parameters<typeof load>[0], path: string) => () =>
      load(server, () => ({ ...sent, path }), requests, CONNECTIONS);
    const contestants: Candidate[] = [
      { name: "bare server", run: run(bare, `/${name === "304" ? "gzip" : name}`) },
      { name: "keylane", run: run(keylane, sent.path) },
    ];
    const path = "/api/personalized/v1/models?detailed=true";
    if (name === "gzip" && fly !== undefined) contestants.push({ name: "nginx, gzip on the fly", run: run(fly, path) });
    if (name === "gzip" && stored !== undefined)
      contestants.push({ name: "nginx, stored gzip", run: run(stored, path) });
    rows.push(...(await compare(`hit: ${name}${suffix}`, contestants, rounds, warmUps)));
  }
  return rows;

  function recipe(name: "fly" | "stored") {
    return nginx(name, nano.url, setup.folder, setup.onCleanup);
  }
}

/** The same hits, asked by one key and by the largest number of keys in no order; the bare server shows what memory costs. */
async function manyKeys(setup: BenchSetup): Promise<Row[]> {
  const count = setup.scale.keys.at(-1) ?? 1;
  const { requests, rounds, warmUps } = setup.scale;
  const each = Math.max(requests, count);
  const keys = Array.from({ length: count }, (_, index) => `key-for-the-bench-${index}`);
  const nano = await startNanoGpt({ accounts: keys.map((key) => ({ key })) });
  setup.onCleanup(() => nano.stop());
  const keylane = await setup.keylane({ UPSTREAM_URL: nano.url, MEMORY_MAX_SIZE: "256MB" });
  const asked = new Map(keys.map((key) => [key, by(key)]));
  const { server: bare } = await startCannedServer(keylane, asked, setup.folder, setup.onCleanup);
  const contestants = [
    { name: "keylane", what: "key", server: keylane, sent: by },
    { name: "bare server", what: "answer", server: bare, sent: prepared },
  ].flatMap(({ name, what, server, sent }) => {
    const one = `${name}, one ${what}`;
    const run = (wanted: number) => () =>
      load(server, (turn) => sent(keys[(turn * STRIDE) % wanted] ?? ""), each, CONNECTIONS);
    return [
      { name: one, baseline: one, run: run(1) },
      { name: `${name}, ${count} ${what}s`, baseline: one, run: run(count) },
    ];
  });
  // What is to be seen is small.
  return compare("hit: gzip, by number of keys", contestants, 4 * rounds, warmUps);
}

const prepared = (key: string): LoadRequest => ({ path: `/${key}` });
const by = (key: string): LoadRequest => ({ path: DETAILED, headers: headersOf(key, "gzip") });

function asked(path: string, coding: string): LoadRequest {
  return { path, headers: headersOf(KEY, coding) };
}

function headersOf(key: string, coding: string): Record<string, string> {
  return { authorization: `Bearer ${key}`, "accept-encoding": coding };
}
