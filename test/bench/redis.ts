import { spawn, type ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@redis/client";
import { Agent, request } from "undici";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { freePort } from "../support/free-port.ts";
import { waitForOutput } from "./wait-for-output.ts";

// Costs and savings of a Redis shared by two Keylanes, with the real catalogue and a new key in each round: a miss in one
// Keylane, then a hit in Redis by its peer, then a hit in the peer's memory, and a miss in a Keylane without Redis, all
// interleaved in one run. Then misses and memory hits with Redis suspended, and killed; the first round after each change is
// shown separately. Needs redis-server. Compare the differences: the absolute times depend on the machine.

const ROUNDS = 60;
const WARM_UP = 10;
const PATH = "/v1/models?detailed=true";
const TIMES = ["memory hit", "Redis hit", "miss with Redis", "miss without Redis"] as const;
type Kind = (typeof TIMES)[number];

const children: ChildProcess[] = [];
const agent = new Agent();
const keys = Array.from({ length: 3 * (ROUNDS + WARM_UP) + 3 }, (_, index) => `key-for-the-bench-${index}`);
const nano = await startNanoGpt({ accounts: keys.map((key) => ({ key })) });
const port = await freePort();
const redis = startProcess("redis-server", ["--port", `${port}`, "--bind", "127.0.0.1", "--save", ""]);
await waitForOutput(redis.stdout, /Ready to accept/);
const shared = { REDIS_URL: `redis://127.0.0.1:${port}`, CACHE_SECRET: "a secret for the bench" };
const [first, peer, withoutRedis] = [await keylane(shared), await keylane(shared), await keylane({})];
await sleep(500);

console.log("median, 95th percentile and first, ms");
report("with Redis", await measure(true));
await reportBytes();
redis.kill("SIGSTOP");
report("Redis suspended (SIGSTOP)", await measure(false));
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
      ["miss with Redis", first],
      ["miss without Redis", withoutRedis],
    ] as const;
    for (const [kind, url] of round % 2 === 0 ? misses : misses.toReversed()) {
      times.get(kind)?.push(await timed(url, key, "fwd=uri-miss"));
    }
    // The list is written to Redis after the response.
    if (hasRedis) await sleep(20);
    if (hasRedis) times.get("Redis hit")?.push(await timed(peer, key, "hit"));
    times.get("memory hit")?.push(await timed(hasRedis ? peer : first, key, "hit"));
  }
  return times;
}

async function timed(url: string, key: string, expected: string): Promise<number> {
  const headers = { authorization: `Bearer ${key}`, "accept-encoding": "gzip" };
  const startedAt = performance.now();
  const response = await request(url + PATH, { dispatcher: agent, headers });
  await response.body.arrayBuffer();
  const ms = performance.now() - startedAt;
  const cacheStatus = String(response.headers["cache-status"]);
  if (response.statusCode !== 200 || !cacheStatus.includes(expected))
    throw new Error(`${cacheStatus} is not ${expected}`);
  return ms;
}

function report(title: string, times: Map<Kind, number[]>): void {
  const medians = new Map<Kind, number>();
  console.log(`\n${title}`);
  for (const [kind, all] of times) {
    const counted = all.slice(WARM_UP).toSorted((a, b) => a - b);
    if (counted.length === 0) continue;
    const [median = 0, high = 0] = [counted[counted.length >> 1], counted[Math.floor(counted.length * 0.95)]];
    medians.set(kind, median);
    const columns = [median, high, all[0] ?? 0].map((ms) => ms.toFixed(2).padStart(9));
    console.log(`  ${kind.padEnd(20)}${columns.join("")}`);
  }
  const difference = (one: Kind, other: Kind) =>
    ((medians.get(one) ?? Number.NaN) - (medians.get(other) ?? Number.NaN)).toFixed(2).padStart(9);
  if (medians.has("Redis hit")) console.log(`  Redis hit adds      ${difference("Redis hit", "memory hit")}`);
  console.log(`  Redis miss adds     ${difference("miss with Redis", "miss without Redis")}`);
}

async function reportBytes(): Promise<void> {
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
    `\n${lists} lists in Redis, one for each key; of each: ${each(sealed)} bytes sealed, ${each(used)} bytes used`,
  );
}

async function keylane(settings: Record<string, string>): Promise<string> {
  const env = { PATH: process.env["PATH"] ?? "", PORT: "0", UPSTREAM_URL: nano.url, MAX_AGE: "1h", ...settings };
  const child = startProcess(process.execPath, ["src/node.ts"], { ...env, LOG_LEVEL: "silent" });
  return `http://127.0.0.1:${await waitForOutput(child.stderr, /base URL to http:\/\/\S+:(\d+)\/v1/)}`;
}

function startProcess(command: string, args: string[], env: NodeJS.ProcessEnv = process.env) {
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  return child;
}
