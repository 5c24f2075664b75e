import { bundledCatalogue } from "../support/nanogpt/catalogue.ts";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { contest, type Contestant, type Row } from "./compare.ts";
import { load, type Sent } from "./load.ts";
import { nginx } from "./nginx.ts";
import { preparedServer } from "./canned-responses.ts";
import type { Scene } from "./setup.ts";

const KEY = "key-for-the-bench";
const CONNECTIONS = 4;
// A prime: callers do not come in the order in which their lists were stored, and a processor fetches what lies next.
const STRIDE = 769;
const DETAILED = "/v1/models?detailed=true";
const keyFields = { authorization: `Bearer ${KEY}` };
const DESCRIPTION = "A model for many tasks, described at length as live catalogues describe theirs. ".repeat(
  5,
);

/** Hits on the real catalogue: each coding and shape, one model, 304; and rows with long descriptions. */
export async function hits(scene: Scene): Promise<Row[]> {
  const models = bundledCatalogue();
  const described = models.map((model) => ({ ...model, description: DESCRIPTION.slice(0, 350) }));
  return [
    ...(await over(scene, models, "")),
    ...(await over(scene, described, ", 350-character descriptions")),
    ...(await manyKeys(scene)),
  ];
}

async function over(scene: Scene, models: ReturnType<typeof bundledCatalogue>, suffix: string) {
  const nano = await startNanoGpt({ accounts: [{ key: KEY }], models });
  scene.stops(() => nano.stop());
  const keylane = await scene.keylane({ UPSTREAM_URL: nano.url });
  const id = models.at(-1)?.id ?? "";
  const all = new Map<string, Sent>([
    ["gzip", { ...asked(DETAILED, "gzip"), coding: "gzip" }],
    ["br", { ...asked(DETAILED, "br"), coding: "br" }],
    ["identity", asked(DETAILED, "identity")],
    ["basic", asked("/v1/models", "gzip")],
    ["one-model", asked(`/v1/models/${encodeURIComponent(id)}?detailed=true`, "gzip")],
  ]);
  const { server: bare, etags } = await preparedServer(keylane, all, scene.folder, scene.stops);
  all.set("304", {
    ...asked(DETAILED, "gzip"),
    headers: { ...keyFields, "accept-encoding": "gzip", "if-none-match": etags.get("gzip") ?? "" },
    status: 304,
  });
  const [fly, stored] = [await recipe("fly"), await recipe("stored")];
  const rows: Row[] = [];
  for (const [name, sent] of all) {
    if (suffix !== "" && name !== "gzip" && name !== "identity") continue;
    const { requests, rounds, warmUps } = scene.extent;
    const run = (server: Parameters<typeof load>[0], path: string) => () =>
      load(server, () => ({ ...sent, path }), requests, CONNECTIONS);
    const contestants: Contestant[] = [
      { who: "bare server", run: run(bare, `/${name === "304" ? "gzip" : name}`) },
      { who: "keylane", run: run(keylane, sent.path) },
    ];
    const path = "/api/personalized/v1/models?detailed=true";
    if (name === "gzip" && fly !== undefined)
      contestants.push({ who: "nginx, gzip on the fly", run: run(fly, path) });
    if (name === "gzip" && stored !== undefined)
      contestants.push({ who: "nginx, stored gzip", run: run(stored, path) });
    rows.push(...(await contest(`hit: ${name}${suffix}`, contestants, rounds, warmUps)));
  }
  return rows;

  function recipe(name: "fly" | "stored") {
    return nginx(name, nano.url, scene.folder, scene.stops);
  }
}

/** The same hits, asked by one key and by the largest number of keys in no order; the bare server shows what memory costs. */
async function manyKeys(scene: Scene): Promise<Row[]> {
  const count = scene.extent.keys.at(-1) ?? 1;
  const { requests, rounds, warmUps } = scene.extent;
  const each = Math.max(requests, count);
  const keys = Array.from({ length: count }, (_, index) => `key-for-the-bench-${index}`);
  const nano = await startNanoGpt({ accounts: keys.map((key) => ({ key })) });
  scene.stops(() => nano.stop());
  const keylane = await scene.keylane({ UPSTREAM_URL: nano.url, MEMORY_MAX_SIZE: "256MB" });
  const asked = new Map(keys.map((key) => [key, by(key)]));
  const { server: bare } = await preparedServer(keylane, asked, scene.folder, scene.stops);
  const contestants = [
    { who: "keylane", what: "key", server: keylane, sent: by },
    { who: "bare server", what: "answer", server: bare, sent: prepared },
  ].flatMap(({ who, what, server, sent }) => {
    const one = `${who}, one ${what}`;
    const run = (wanted: number) => () =>
      load(server, (turn) => sent(keys[(turn * STRIDE) % wanted] ?? ""), each, CONNECTIONS);
    return [
      { who: one, over: one, run: run(1) },
      { who: `${who}, ${count} ${what}s`, over: one, run: run(count) },
    ];
  });
  // What is to be seen is small.
  return contest("hit: gzip, by number of keys", contestants, 4 * rounds, warmUps);
}

const prepared = (key: string): Sent => ({ path: `/${key}` });
const by = (key: string): Sent => ({ path: DETAILED, headers: headersOf(key, "gzip") });

function asked(path: string, coding: string): Sent {
  return { path, headers: headersOf(KEY, coding) };
}

function headersOf(key: string, coding: string): Record<string, string> {
  return { authorization: `Bearer ${key}`, "accept-encoding": coding };
}
