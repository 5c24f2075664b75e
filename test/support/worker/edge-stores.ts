import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { buffer } from "node:stream/consumers";

/** Cloudflare's stores as workerd talks to them over HTTP: the Cache API and one KV namespace, in the test's hands. */
export interface EdgeStores {
  /** Where it listens, such as `127.0.0.1:43121`. */
  readonly address: string;
  /** What is kept, by URL (Cache API) or key (KV). */
  readonly kept: Map<string, StoredValue>;
  /** Every request: method, URL or key, and the options. */
  readonly seen: string[];
  /** Until changed. What is slow takes 200 ms; "silent" never answers. */
  fault: "slow" | "slow to write" | "silent" | "broken" | "cut" | undefined;
  stop(): Promise<void>;
}

export interface StoredValue {
  bytes: Buffer;
  /** The response's own fields (Cache API). */
  readonly fields: Record<string, string>;
  /** Seconds, as asked for (KV). */
  readonly expirationTtl?: number;
}

/** Starts them on a free port. They keep everything for ever, so that a list's end is Keylane's own doing. */
export async function startEdgeStores(): Promise<EdgeStores> {
  const kept = new Map<string, StoredValue>();
  const seen: string[] = [];
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const stores: EdgeStores = {
    address: `127.0.0.1:${port}`,
    kept,
    seen,
    fault: undefined,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    const isKv = request.headers.host !== "keylane.invalid";
    const target = new URL(request.url ?? "", "https://keylane.invalid");
    const name = isKv ? decodeURIComponent(target.pathname.slice(1)) : target.href;
    const namespace = request.headers["cf-cache-namespace"]?.toString() ?? "";
    seen.push(`${request.method} ${name}${isKv ? target.search : ""} ${namespace}`);
    if (stores.fault === "cut") return void request.socket.destroy();
    if (stores.fault === "broken") return void response.writeHead(500).end();
    if (stores.fault === "silent") return;
    const isRead = request.method === "GET";
    if (stores.fault === "slow" || (stores.fault === "slow to write" && !isRead)) await sleep(200);
    // Who gives up has not written.
    if (response.destroyed) return;
    if (isRead) return read(kept.get(name), isKv, response);
    if (request.method === "PUT") kept.set(name, isKv ? valueOf(body, target) : responseOf(body));
    const isFound = request.method === "PUT" || kept.delete(name);
    response.writeHead(isFound || isKv ? 200 : 404).end();
  }

  return stores;
}

function read(found: StoredValue | undefined, isKv: boolean, response: ServerResponse): void {
  const state = { "cf-cache-status": found === undefined ? "MISS" : "HIT" };
  if (found === undefined) response.writeHead(isKv ? 404 : 504, state).end();
  else response.writeHead(200, { ...found.fields, ...state }).end(found.bytes);
}

function valueOf(bytes: Buffer, { searchParams }: URL): StoredValue {
  const ttl = searchParams.get("expiration_ttl");
  return { bytes, fields: {}, ...(ttl === null ? {} : { expirationTtl: Number(ttl) }) };
}

// The Cache API puts a whole HTTP response into the request's body.
function responseOf(body: Buffer): StoredValue {
  const end = body.indexOf("\r\n\r\n");
  const [, ...lines] = body.subarray(0, end).toString("latin1").split("\r\n");
  const fields = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  return { bytes: body.subarray(end + 4), fields };
}
