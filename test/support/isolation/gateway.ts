import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { brotliCompressSync, gzipSync } from "node:zlib";

/** A list that a gateway has stored. */
export interface StoredList {
  readonly credential: string;
  readonly text: string;
  readonly etag: string;
}

/** A request, parsed by a gateway. */
export interface GatewayRequest {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly query: URLSearchParams;
  /** The path after `/models/`. */
  readonly rest: string;
  readonly socket: Socket;
}

/** The state of a gateway between requests. */
export interface GatewayState {
  readonly stored: Map<string, StoredList>;
  /** State of a defective method. */
  readonly scratch: Map<unknown, string>;
}

/** The parts of a gateway; a bad one replaces one or two of them. */
export interface Behaviour {
  credentialOf(request: GatewayRequest): string | 400 | 401;
  /** The key under which the list for this request is stored. */
  storageKeyOf(request: GatewayRequest, credential: string, state: GatewayState): string | Promise<string>;
  /** The key under which concurrent requests share one fetch. */
  fetchKeyOf(storageKey: string, request: GatewayRequest): string;
  /** A list for a request without a key. */
  withoutKey(request: GatewayRequest, state: GatewayState): StoredList | undefined;
  /** A list for a key that upstream rejects, or for which none is stored. */
  fallback(credential: string, state: GatewayState, reason: "not stored" | "rejected"): StoredList | undefined;
  matchesEtag(sent: string, entry: StoredList, state: GatewayState): boolean;
  model(id: string, entry: StoredList, state: GatewayState): object | undefined;
  purge(credential: string, state: GatewayState): void;
  encode(text: string, coding: "gzip" | "br", request: GatewayRequest, state: GatewayState): Buffer;
  headers(request: GatewayRequest, credential: string): Record<string, string>;
  /** The body of a 404 and of a 401. */
  errorBody(credential: string, state: GatewayState): string;
}

/** A gateway with one defect. `breaks` are parts of the sentences of the checks that it must fail. */
export interface BadGateway {
  readonly defect: string;
  readonly behaviour: Partial<Behaviour>;
  readonly breaks: readonly string[];
}

/** A small caching proxy for one list. */
export interface Gateway {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a gateway in front of an upstream; `prefix` precedes `/v1` in its paths. */
export async function startGateway(upstream: string, behaviour: Behaviour, prefix = ""): Promise<Gateway> {
  const state: GatewayState = { stored: new Map(), scratch: new Map() };
  const inFlight = new Map<string, Promise<StoredList | number>>();

  async function handle(incoming: IncomingMessage): Promise<Response> {
    const { pathname, searchParams: query } = new URL(`http://gateway${incoming.url}`);
    if (!pathname.startsWith(`${prefix}/v1/models`)) return new Response(null, { status: 404 });
    const rest = pathname.slice(`${prefix}/v1/models`.length).replace(/^\/+/, "");
    const headers = Object.fromEntries(Object.entries(incoming.headers).map(([k, v]) => [k, v?.toString()]));
    const request: GatewayRequest = { headers, query, rest, socket: incoming.socket };
    const credential = behaviour.credentialOf(request);
    if (typeof credential === "number") {
      const list = credential === 401 ? behaviour.withoutKey(request, state) : undefined;
      return list === undefined ? new Response("no key", { status: credential }) : listResponse(request, "", list);
    }
    if (incoming.method === "DELETE") {
      behaviour.purge(credential, state);
      return new Response(null, { status: 204 });
    }
    const result = await getList(request, credential);
    if (typeof result === "object") return listResponse(request, credential, result);
    const init = { status: result, headers: behaviour.headers(request, credential) };
    return new Response(behaviour.errorBody(credential, state), init);
  }

  /** Resolves to the list, or the status of an error. */
  async function getList(request: GatewayRequest, credential: string): Promise<StoredList | number> {
    const control = request.headers["cache-control"] ?? "";
    const storageKey = await behaviour.storageKeyOf(request, credential, state);
    const entry = control.includes("no-store") ? undefined : state.stored.get(storageKey);
    if (entry !== undefined) return entry;
    if (control.includes("only-if-cached")) return behaviour.fallback(credential, state, "not stored") ?? 504;
    const fetchKey = behaviour.fetchKeyOf(`${storageKey} ${control}`, request);
    const pending = inFlight.get(fetchKey) ?? fetchList(credential, request).finally(() => inFlight.delete(fetchKey));
    inFlight.set(fetchKey, pending);
    const fetched = await pending;
    if (typeof fetched === "number") return behaviour.fallback(credential, state, "rejected") ?? fetched;
    if (!control.includes("no-store")) state.stored.set(storageKey, fetched);
    return fetched;
  }

  async function fetchList(credential: string, { query }: GatewayRequest): Promise<StoredList | number> {
    const headers = { authorization: `Bearer ${credential}` };
    const answer = await fetch(`${upstream}/personalized/v1/models?${query.toString()}`, { headers });
    const text = await answer.text();
    return answer.ok
      ? { credential, text, etag: `"${text.length}-${text.slice(60, 90).replaceAll('"', "")}"` }
      : answer.status;
  }

  function listResponse(request: GatewayRequest, credential: string, entry: StoredList): Response {
    const headers = { ...behaviour.headers(request, credential), etag: entry.etag };
    if (request.rest !== "" && !request.rest.endsWith(".css")) {
      const model = behaviour.model(decodeURIComponent(request.rest), entry, state);
      if (model === undefined) return new Response(behaviour.errorBody(credential, state), { status: 404, headers });
      return Response.json(model, { headers });
    }
    const sent = request.headers["if-none-match"];
    if (sent !== undefined && behaviour.matchesEtag(sent, entry, state))
      return new Response(null, { status: 304, headers });
    const coding = /^(gzip|br)/.exec(request.headers["accept-encoding"] ?? "")?.[1];
    if (coding !== "gzip" && coding !== "br") return new Response(entry.text, { headers });
    const bytes = new Uint8Array(behaviour.encode(entry.text, coding, request, state));
    return new Response(bytes, { headers: { ...headers, "content-encoding": coding } });
  }

  const server = createServer((request, response) => {
    void readWhole(handle(request)).then(({ status, headers, body }) => {
      response.writeHead(status, headers).end(body);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  return {
    url: `http://127.0.0.1:${port}${prefix}`,
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

/** A behaviour that keeps keys apart. */
export const GOOD: Behaviour = {
  credentialOf({ headers }) {
    const bearer = /^Bearer (?!null$|undefined$)(\S+)$/.exec(headers["authorization"] ?? "")?.[1];
    const key = headers["x-api-key"] === "" ? undefined : headers["x-api-key"];
    if (bearer !== undefined && key !== undefined && bearer !== key) return 400;
    return bearer ?? key ?? 401;
  },
  storageKeyOf: ({ query, headers }, credential) => JSON.stringify([credential, String(query), headers["origin"]]),
  fetchKeyOf: (storageKey) => storageKey,
  withoutKey: () => undefined,
  fallback: () => undefined,
  matchesEtag: (sent, entry) => sent === entry.etag,
  model: (id, { text }) => rowsOf(text).find((row) => row.id === id),
  purge(credential, { stored }) {
    for (const [storageKey, entry] of stored) if (entry.credential === credential) stored.delete(storageKey);
  },
  encode: (text, coding) => (coding === "gzip" ? gzipSync(text) : brotliCompressSync(text)),
  headers: () => ({ "cache-control": "private, no-cache", vary: "Authorization, X-API-Key, Origin" }),
  errorBody: () => "no such list",
};

export function rowsOf(text: string): { id: string }[] {
  return (JSON.parse(text) as { data: { id: string }[] }).data;
}

async function readWhole(pending: Promise<Response>) {
  const response = await pending.catch((error: unknown) => new Response(String(error), { status: 500 }));
  const body = Buffer.from(await response.arrayBuffer());
  return { status: response.status, headers: Object.fromEntries(response.headers), body };
}
