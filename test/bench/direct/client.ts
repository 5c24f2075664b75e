import { readFileSync } from "node:fs";
import { Agent as HttpAgent, request as http } from "node:http";
import { Agent as HttpsAgent, request as https } from "node:https";
import { connect } from "node:net";

// The client: makes the same calls over every route in turn, and prints all times as JSON.
const [certPath = "", remote = "", keylane = "", compressing = "", key = "", historyBytes = ""] = process.argv.slice(2);
const ROUNDS = 9;
const ca = readFileSync(certPath);
const history = Number(historyBytes);

const direct = `https://${remote}/api`;
const keepAlive = { keepAlive: true, maxSockets: 1 };
const clientRoutes = [
  { name: "direct, cold client", base: direct, agent: undefined },
  { name: "Keylane, cold client", base: keylane, agent: undefined },
  { name: "direct, warm client", base: direct, agent: new HttpsAgent({ ...keepAlive, ca }) },
  { name: "Keylane, warm client", base: keylane, agent: new HttpAgent(keepAlive) },
  ...(history === 0
    ? []
    : [
        { name: "Keylane, compressing, cold", base: compressing, agent: undefined },
        { name: "Keylane, compressing, warm", base: compressing, agent: new HttpAgent(keepAlive) },
      ]),
];
type ClientRoute = (typeof clientRoutes)[number];

const text = ["README.md", "package-lock.json", "src/app.ts", "src/cache/single-flight.ts", "src/node/server.ts"]
  .map((file) => readFileSync(file, "utf8").slice(0, 40_000))
  .join("\n");
const historyText = text.repeat(Math.ceil(history / text.length)).slice(0, history);
const messages = [
  { role: "system", content: historyText },
  { role: "user", content: "hello" },
];
const body = JSON.stringify({ model: "m", stream: true, messages });

const times = new Map<string, number[]>();
for (let round = 0; round <= ROUNDS; round++) {
  for (const route of clientRoutes) {
    if (history === 0) record(`list           ${route.name}`, await timed(route, "GET", "/v1/models"), round);
    record(`first token    ${route.name}`, await timed(route, "POST", "/v1/chat/completions"), round);
  }
  record("round trip", await roundTrip(), round);
}
console.log(JSON.stringify(Object.fromEntries(times)));
process.exit();

function record(name: string, ms: number, round: number): void {
  // The first round opens connections that the others reuse.
  if (round > 0) times.set(name, [...(times.get(name) ?? []), ms]);
}

function timed({ base, agent }: ClientRoute, method: string, path: string): Promise<number> {
  const startedAt = performance.now();
  const request = base.startsWith("https") ? https : http;
  const headers = { authorization: `Bearer ${key}`, "accept-encoding": "gzip" };
  const postHeaders = { ...headers, "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  const options = {
    method,
    agent: agent ?? false,
    headers: method === "POST" ? postHeaders : headers,
    ...(request === https ? { ca } : {}),
  };
  return new Promise((resolve, reject) => {
    const call = request(base + path, options, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${base}: ${response.statusCode}`));
      let firstByteMs: number | undefined;
      response.on("data", () => (firstByteMs ??= performance.now() - startedAt));
      response.on("end", () => resolve(method === "POST" ? (firstByteMs ?? 0) : performance.now() - startedAt));
    });
    call.on("error", reject);
    call.end(method === "POST" ? body : undefined);
  });
}

function roundTrip(): Promise<number> {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const socket = connect(443, remote, () => {
      resolve(performance.now() - startedAt);
      socket.destroy();
    });
  });
}
