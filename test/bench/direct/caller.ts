import { readFileSync } from "node:fs";
import { Agent as HttpAgent, request as http } from "node:http";
import { Agent as HttpsAgent, request as https } from "node:https";
import { connect } from "node:net";

// The client's end: makes the same calls over every route in turn, and prints the medians.
const [certPath = "", far = "", keylane = "", compressing = "", key = "", historyBytes = ""] = process.argv.slice(2);
const ROUNDS = 9;
const ca = readFileSync(certPath);
const history = Number(historyBytes);

const direct = `https://${far}/api`;
const kept = { keepAlive: true, maxSockets: 1 };
const clientRoutes = [
  { name: "direct, cold client", base: direct, agent: undefined },
  { name: "Keylane, cold client", base: keylane, agent: undefined },
  { name: "direct, warm client", base: direct, agent: new HttpsAgent({ ...kept, ca }) },
  { name: "Keylane, warm client", base: keylane, agent: new HttpAgent(kept) },
  ...(history === 0
    ? []
    : [
        { name: "Keylane, compressing, cold", base: compressing, agent: undefined },
        { name: "Keylane, compressing, warm", base: compressing, agent: new HttpAgent(kept) },
      ]),
];
type ClientRoute = (typeof clientRoutes)[number];

const text = ["README.md", "package-lock.json", "src/app.ts", "src/cache/single-flight.ts", "src/node/server.ts"]
  .map((file) => readFileSync(file, "utf8").slice(0, 40_000))
  .join("\n");
const past = text.repeat(Math.ceil(history / text.length)).slice(0, history);
const messages = [
  { role: "system", content: past },
  { role: "user", content: "hello" },
];
const body = JSON.stringify({ model: "m", stream: true, messages });

const times = new Map<string, number[]>();
for (let round = 0; round <= ROUNDS; round++) {
  for (const route of clientRoutes) {
    if (history === 0) note(`list           ${route.name}`, await timed(route, "GET", "/v1/models"), round);
    note(`first token    ${route.name}`, await timed(route, "POST", "/v1/chat/completions"), round);
  }
  note("round trip", await roundTrip(), round);
}
console.log(JSON.stringify(Object.fromEntries(times)));
process.exit();

function note(name: string, ms: number, round: number): void {
  // The first round opens what the others keep.
  if (round > 0) times.set(name, [...(times.get(name) ?? []), ms]);
}

function timed({ base, agent }: ClientRoute, method: string, path: string): Promise<number> {
  const begun = performance.now();
  const request = base.startsWith("https") ? https : http;
  const headers = { authorization: `Bearer ${key}`, "accept-encoding": "gzip" };
  const sent = { ...headers, "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  const options = {
    method,
    agent: agent ?? false,
    headers: method === "POST" ? sent : headers,
    ...(request === https ? { ca } : {}),
  };
  return new Promise((resolve, reject) => {
    const call = request(base + path, options, (answer) => {
      if (answer.statusCode !== 200) reject(new Error(`${base}: ${answer.statusCode}`));
      let first: number | undefined;
      answer.on("data", () => (first ??= performance.now() - begun));
      answer.on("end", () => resolve(method === "POST" ? (first ?? 0) : performance.now() - begun));
    });
    call.on("error", reject);
    call.end(method === "POST" ? body : undefined);
  });
}

function roundTrip(): Promise<number> {
  const begun = performance.now();
  return new Promise((resolve) => {
    const socket = connect(443, far, () => {
      resolve(performance.now() - begun);
      socket.destroy();
    });
  });
}
