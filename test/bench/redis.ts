import { spawn, type ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@redis/client";
import { Agent, request } from "undici";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { freePort } from "../support/free-port.ts";
import { waitForOutput } from "./wait-for-output.ts";

// What a Redis between two Keylanes costs and saves: the real catalogue, each round with a key of its own, asked of one
// Keylane (a miss near and far), of its peer (a far hit), of that again (a near hit), and of a Keylane without any
// Redis (a miss), turn about in one run; then the same misses and near hits with Redis stopped, and killed. The first
// round after a change is shown by itself. Needs redis-server. Read the differences; the rest is the machine's.

const ROUNDS = 60;
const WARM_UP = 10;
const PATH = "/v1/models?detailed=true";
const TIMES = ["near hit", "far hit", "far miss", "miss without Redis"] as const;
type Kind = (typeof TIMES)[number];

const children: ChildProcess[] = [];
const agent = new Agent();
const keys = Array.from({ length: 3 * (ROUNDS + WARM_UP) + 3 }, (_, index) => `key-for-the-bench-${index}`);
const nano = await startNanoGpt({ accounts: keys.map((key) => ({ key })) });
const port = await freePort();
const redis = begun("redis-server", ["--port", `${port}`, "--bind", "127.0.0.1", "--save", ""]);
await waitForOutput(redis.stdout, /Ready to accept/);
const shared = { REDIS_URL: `redis://127.0.0.1:${port}`, CACHE_SECRET: "a secret for the bench" };
const [first, peer, alone] = [await keylane(shared), await keylane(shared), await keylane({})];
await sleep(500);

console.log("median, 95th percentile and first, ms");
report("with Redis", await measure(true));
await tellBytes();
redis.kill("SIGSTOP");
report("Redis stopped (SIGSTOP)", await measure(false));
redis.kill("SIGKILL");
await sleep(100);
report("Redis killed", await measure(false));

for (const child of children) child.kill("SIGKILL");
await agent.destroy();
await nano.stop();

async function measure(hasRedis: boolean): Promise<Map<Kind, number[]>> {
  const times = new Map<Kind, number[]>(TIMES.map((kind) => [kind, []]));
  for (let round = 0; round < ROUNDS + WARM_UP; round++) {
    const key = keys.pop() ?? "";
    const misses = [
      ["far miss", first],
      ["miss without Redis", alone],
    ] as const;
    for (const [kind, url] of round % 2 === 0 ? misses : misses.toReversed()) {
      times.get(kind)?.push(await timed(url, key, "fwd=uri-miss"));
    }
    // The list is put into Redis behind the answer.
    if (hasRedis) await sleep(20);
    if (hasRedis) times.get("far hit")?.push(await timed(peer, key, "hit"));
    times.get("near hit")?.push(await timed(hasRedis ? peer : first, key, "hit"));
  }
  return times;
}

async function timed(url: string, key: string, expected: string): Promise<number> {
  const headers = { authorization: `Bearer ${key}`, "accept-encoding": "gzip" };
  const begun = performance.now();
  const answer = await request(url + PATH, { dispatcher: agent, headers });
  await answer.body.arrayBuffer();
  const took = performance.now() - begun;
  const by = String(answer.headers["cache-status"]);
  if (answer.statusCode !== 200 || !by.includes(expected)) throw new Error(`${by} is not ${expected}`);
  return took;
}

function report(when: string, times: Map<Kind, number[]>): void {
  const medians = new Map<Kind, number>();
  console.log(`\n${when}`);
  for (const [kind, all] of times) {
    const counted = all.slice(WARM_UP).toSorted((a, b) => a - b);
    if (counted.length === 0) continue;
    const [median = 0, high = 0] = [counted[counted.length >> 1], counted[Math.floor(counted.length * 0.95)]];
    medians.set(kind, median);
    const received = [median, high, all[0] ?? 0].map((ms) => ms.toFixed(2).padStart(9));
    console.log(`  ${kind.padEnd(20)}${received.join("")}`);
  }
  const difference = (one: Kind, other: Kind) =>
    ((medians.get(one) ?? Number.NaN) - (medians.get(other) ?? Number.NaN)).toFixed(2).padStart(9);
  if (medians.has("far hit")) console.log(`  far hit adds        ${difference("far hit", "near hit")}`);
  console.log(`  far miss adds       ${difference("far miss", "miss without Redis")}`);
}

async function tellBytes(): Promise<void> {
  const client = createClient({ url: shared.REDIS_URL });
  await client.connect();
  let [lists, sealed, used] = [0, 0, 0];
  for (const key of await client.keys("keylane:1:*")) {
    if ((await client.type(key)) !== "hash") continue;
    for (const name of await client.hKeys(key)) sealed += await client.sendCommand<number>(["HSTRLEN", key, name]);
    used += (await client.memoryUsage(key, { SAMPLES: 0 })) ?? 0;
    lists++;
  }
  client.destroy();
  const each = (bytes: number) => Math.round(bytes / lists);
  console.log(
    `\n${lists} lists in Redis, one for each key: ${each(sealed)} bytes sealed, ${each(used)} bytes used, each`,
  );
}

async function keylane(more: Record<string, string>): Promise<string> {
  const env = { PATH: process.env["PATH"] ?? "", PORT: "0", UPSTREAM_URL: nano.url, MAX_AGE: "1h", ...more };
  const child = begun(process.execPath, ["src/node.ts"], { ...env, LOG_LEVEL: "silent" });
  return `http://127.0.0.1:${await waitForOutput(child.stderr, /base URL to http:\/\/\S+:(\d+)\/v1/)}`;
}

function begun(command: string, args: string[], env: NodeJS.ProcessEnv = process.env) {
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  return child;
}
