import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { request, Agent } from "undici";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";

// A hit on the real catalogue against a bare node:http server that writes the same prepared bytes: CPU time of the
// server process per request, in interleaved rounds of one run. Read the ratio; the microseconds are the machine's.

const ROUNDS = 7;
const REQUESTS = 4000;
const CONNECTIONS = 4;
const KEY = "key-for-the-bench";
const headers = { authorization: `Bearer ${KEY}`, "accept-encoding": "gzip" };

const nano = await startNanoGpt({ accounts: [{ key: KEY }] });
const keylane = await serverProcess("src/node.ts", { UPSTREAM_URL: nano.url, MAX_AGE: "1h" });
const prepared = await request(`${keylane.url}/v1/models?detailed=true`, { headers });
const body = Buffer.from(await prepared.body.arrayBuffer());
const bare = await serverProcess("test/bench/bare.ts", {
  BODY: body.toString("base64"),
  HEADERS: JSON.stringify(prepared.headers),
});

const cases = [
  { name: "gzip hit, detailed", path: "/v1/models?detailed=true", headers },
  {
    name: "304",
    path: "/v1/models?detailed=true",
    headers: { ...headers, "if-none-match": String(prepared.headers["etag"]) },
  },
];
for (const one of cases) {
  const figures: Record<"keylane" | "bare", number[]> = { keylane: [], bare: [] };
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, server] of [
      ["keylane", keylane],
      ["bare", bare],
    ] as const) {
      const micros = await cpuPerRequest(server, one.path, one.headers);
      if (round > 0) figures[name].push(micros);
    }
  }
  const [ours, theirs] = [median(figures.keylane), median(figures.bare)];
  console.log(
    `${one.name}: keylane ${ours.toFixed(1)} µs, bare ${theirs.toFixed(1)} µs CPU per request, ratio ${(ours / theirs).toFixed(2)}`,
  );
}

keylane.child.kill("SIGKILL");
bare.child.kill("SIGKILL");
await nano.stop();

async function cpuPerRequest(server: Server, path: string, sent: Record<string, string>): Promise<number> {
  const agent = new Agent({ connections: CONNECTIONS });
  const before = await server.cpuMicros();
  const worker = async () => {
    for (let i = 0; i < REQUESTS / CONNECTIONS; i++) {
      const answer = await request(server.url + path, { dispatcher: agent, headers: sent });
      await answer.body.dump({ limit: 1e9 });
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, worker));
  const after = await server.cpuMicros();
  await agent.destroy();
  return (after - before) / REQUESTS;
}

interface Server {
  readonly url: string;
  readonly child: ChildProcess;
  readonly cpuMicros: () => Promise<number>;
}

// The child tells its own CPU time when it is sent a message (test/bench/account.ts).
async function serverProcess(file: string, environment: Record<string, string>): Promise<Server> {
  const child = spawn(process.execPath, ["--import", "./test/bench/account.ts", file], {
    env: { ...process.env, PORT: "0", ...environment },
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let told = "";
  await new Promise<void>((resolve) => {
    child.stderr?.on("data", (data: Buffer) => {
      told += data.toString();
      if (/http:\/\/127[\d.:]+/.test(told)) resolve();
    });
    child.once("exit", () => resolve());
  });
  const url = /http:\/\/[\d.]+:\d+/.exec(told)?.[0];
  if (url === undefined) throw new Error(`${file} did not start: ${told}`);
  return {
    url,
    child,
    async cpuMicros() {
      child.send("cpu");
      const [micros] = await once(child, "message");
      return Number(micros);
    },
  };
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
