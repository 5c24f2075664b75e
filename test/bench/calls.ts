import { startEchoUpstream } from "./echo-upstream.ts";
import { compare, type Row } from "./compare.ts";
import { load, type LoadRequest } from "./load.ts";
import { nginx } from "./nginx.ts";
import { nodeServer, type Server } from "./processes.ts";
import type { BenchSetup } from "./setup.ts";

export interface Proxy {
  readonly name: string;
  readonly server: Server;
}

/** Passthrough calls, through Keylane, a bare pipe and nginx. */
export async function calls(setup: BenchSetup): Promise<Row[]> {
  const upstream = await startEchoUpstream(setup.onCleanup);
  const direct = { url: upstream, cpuMicros: () => Promise.resolve(Number.NaN) };
  const proxies = await startProxies(setup, upstream);
  const { requests, rounds } = setup.scale;
  const upload = Math.max(8, Math.floor(requests / 20));
  const cases = [
    { name: "call: 1 KB chat, 1 connection", request: post(1000), requests, connections: 1 },
    { name: "call: 1 KB chat, 16 connections", request: post(1000), requests, connections: 16 },
    { name: "call: 1 MB upload", request: post(2 ** 20), requests: upload, connections: 1 },
  ];
  const rows: Row[] = [];
  for (const { name, request, requests, connections } of cases) {
    const candidates = proxies.map(({ name, server }) => ({
      name,
      run: () => load(server, () => request, requests, connections),
    }));
    const withoutProxy = async () => {
      const { ms = Number.NaN } = await load(direct, () => request, requests, connections);
      return { ms };
    };
    rows.push(...(await compare(name, [...candidates, { name: "no proxy", run: withoutProxy }], rounds)));
  }
  return rows;
}

/** Starts the bare pipe, Keylane and, where it is installed, nginx in front of the same upstream. */
export async function startProxies(setup: BenchSetup, upstream: string): Promise<Proxy[]> {
  const pipe = await nodeServer("test/bench/pipe.ts", { UPSTREAM: upstream }, setup.onCleanup);
  const keylane = await setup.keylane({ UPSTREAM_URL: upstream });
  const nginxServer = await nginx("pass", upstream, setup.folder, setup.onCleanup);
  const proxies = [
    { name: "bare pipe", server: pipe },
    { name: "keylane", server: keylane },
  ];
  return nginxServer === undefined ? proxies : [...proxies, { name: "nginx, proxy_pass", server: nginxServer }];
}

function post(bytes: number): LoadRequest {
  const headers = { authorization: "Bearer key-for-the-bench", "content-type": "application/json" };
  return { method: "POST", path: "/v1/chat/completions", headers, body: Buffer.alloc(bytes, "a") };
}
