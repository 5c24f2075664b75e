import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { buffer } from "node:stream/consumers";

/** A server for the HTTP protocols by which workerd uses the Cache API and one KV namespace. */
export interface EdgeStores {
  /** Host and port, such as `127.0.0.1:43121`. */
  readonly address: string;
  /** The stored values, by URL (Cache API) or key (KV). */
  readonly values: Map<string, StoredValue>;
  /** Every request: method, URL or key with options, and the name of the cache. */
  readonly seen: string[];
  /** Applies to all requests until changed. "slow" delays them by 200 ms; "silent" never responds. */
  fault: "slow" | "slow to write" | "silent" | "broken" | "cut" | undefined;
  stop(): Promise<void>;
}

export interface StoredValue {
  bytes: Buffer;
  /** The headers of the stored response (Cache API). */
  readonly fields: Record<string, string>;
  /** In seconds, as requested (KV). */
  readonly expirationTtl?: number;
}

/** Starts the server on a free port. No value expires, so that a list ends only by Keylane's own expiry. */
export async function startEdgeStores(): Promise<EdgeStores> {
  const values = new Map<string, StoredValue>();
  const seen: string[] = [];
  const server = createServer((request, response) => {
    respond(request, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const stores: EdgeStores = {
    address: `127.0.0.1:${port}`,
    values,
    seen,
    fault: undefined,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
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
    // A request that was cancelled meanwhile writes nothing.
    if (response.destroyed) return;
    if (isRead) return sendValue(values.get(name), isKv, response);
    if (request.method === "PUT") values.set(name, isKv ? kvValue(body, target) : cachedResponse(body));
    const isFound = request.method === "PUT" || values.delete(name);
    response.writeHead(isFound || isKv ? 200 : 404).end();
  }

  return stores;
}

function sendValue(value: StoredValue | undefined, isKv: boolean, response: ServerResponse): void {
  const status = { "cf-cache-status": value === undefined ? "MISS" : "HIT" };
  if (value === undefined) response.writeHead(isKv ? 404 : 504, status).end();
  else response.writeHead(200, { ...value.fields, ...status }).end(value.bytes);
}

function kvValue(bytes: Buffer, { searchParams }: URL): StoredValue {
  const ttl = searchParams.get("expiration_ttl");
  return { bytes, fields: {}, ...(ttl === null ? {} : { expirationTtl: Number(ttl) }) };
}

// The body of a Cache API PUT is a whole HTTP response.
function cachedResponse(body: Buffer): StoredValue {
  const end = body.indexOf("\r\n\r\n");
  const [, ...lines] = body.subarray(0, end).toString("latin1").split("\r\n");
  const fields = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  return { bytes: body.subarray(end + 4), fields };
}
