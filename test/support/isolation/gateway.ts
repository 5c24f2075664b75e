import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { brotliCompressSync, gzipSync } from "node:zlib";

/** A list that a gateway holds. */
export interface StoredAnswer {
  readonly credential: string;
  readonly text: string;
  readonly etag: string;
}

/** One request as a gateway understands it. */
export interface GatewayRequest {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly query: URLSearchParams;
  /** What follows `/models`. */
  readonly rest: string;
  readonly socket: Socket;
}

/** What a gateway remembers between requests. */
export interface GatewayState {
  readonly stored: Map<string, StoredAnswer>;
  /** State of a bad behaviour. */
  readonly drawer: Map<unknown, string>;
}

/** How a gateway behaves; a bad one differs in one method. */
export interface Behaviour {
  credentialOf(request: GatewayRequest): string | 400 | 401;
  /** Where the answer to this request is stored. */
  slotOf(request: GatewayRequest, credential: string, desk: GatewayState): string | Promise<string>;
  /** The key under which concurrent requests share one fetch. */
  flightOf(slot: string, request: GatewayRequest): string;
  /** A list for a request without a key. */
  forNoKey(request: GatewayRequest, desk: GatewayState): StoredAnswer | undefined;
  /** A list for who is refused upstream, or finds none stored. */
  instead(credential: string, desk: GatewayState, why: "not stored" | "refused"): StoredAnswer | undefined;
  isMatch(sent: string, kept: StoredAnswer, desk: GatewayState): boolean;
  model(id: string, kept: StoredAnswer, desk: GatewayState): object | undefined;
  purge(credential: string, desk: GatewayState): void;
  coded(text: string, coding: "gzip" | "br", request: GatewayRequest, desk: GatewayState): Buffer;
  fields(request: GatewayRequest, credential: string): Record<string, string>;
  /** The body of a 404 and of a 401. */
  complaint(credential: string, desk: GatewayState): string;
}

/** A gateway with one defect, and parts of the sentences of the checks that it fails. */
export interface BadGateway {
  readonly defect: string;
  readonly behaviour: Partial<Behaviour>;
  readonly breaks: readonly string[];
}

/** A small caching proxy for one list, which keeps keys apart as long as its behaviour is good. */
export interface Gateway {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts one before an upstream; `prefix` precedes `/v1` in its paths. */
export async function startGateway(upstream: string, behaviour: Behaviour, prefix = ""): Promise<Gateway> {
  const desk: GatewayState = { stored: new Map(), drawer: new Map() };
  const flights = new Map<string, Promise<StoredAnswer | number>>();

  async function answer(incoming: IncomingMessage): Promise<Response> {
    const { pathname, searchParams: query } = new URL(`http://gateway${incoming.url}`);
    if (!pathname.startsWith(`${prefix}/v1/models`)) return new Response(null, { status: 404 });
    const rest = pathname.slice(`${prefix}/v1/models`.length).replace(/^\/+/, "");
    const headers = Object.fromEntries(Object.entries(incoming.headers).map(([k, v]) => [k, v?.toString()]));
    const request: GatewayRequest = { headers, query, rest, socket: incoming.socket };
    const credential = behaviour.credentialOf(request);
    if (typeof credential === "number") {
      const gift = credential === 401 ? behaviour.forNoKey(request, desk) : undefined;
      return gift === undefined ? new Response("no key", { status: credential }) : list(request, "", gift);
    }
    if (incoming.method === "DELETE") {
      behaviour.purge(credential, desk);
      return new Response(null, { status: 204 });
    }
    const found = await find(request, credential);
    if (typeof found === "object") return list(request, credential, found);
    const fields = behaviour.fields(request, credential);
    return new Response(behaviour.complaint(credential, desk), { status: found, headers: fields });
  }

  async function find(request: GatewayRequest, credential: string): Promise<StoredAnswer | number> {
    const control = request.headers["cache-control"] ?? "";
    const slot = await behaviour.slotOf(request, credential, desk);
    const kept = control.includes("no-store") ? undefined : desk.stored.get(slot);
    if (kept !== undefined) return kept;
    if (control.includes("only-if-cached")) return behaviour.instead(credential, desk, "not stored") ?? 504;
    const name = behaviour.flightOf(`${slot} ${control}`, request);
    const flight = flights.get(name) ?? ask(credential, request).finally(() => flights.delete(name));
    flights.set(name, flight);
    const landed = await flight;
    if (typeof landed === "number") return behaviour.instead(credential, desk, "refused") ?? landed;
    if (!control.includes("no-store")) desk.stored.set(slot, landed);
    return landed;
  }

  async function ask(credential: string, { query }: GatewayRequest): Promise<StoredAnswer | number> {
    const headers = { authorization: `Bearer ${credential}` };
    const answer = await fetch(`${upstream}/personalized/v1/models?${query.toString()}`, { headers });
    const text = await answer.text();
    return answer.ok
      ? { credential, text, etag: `"${text.length}-${text.slice(60, 90).replaceAll('"', "")}"` }
      : answer.status;
  }

  function list(request: GatewayRequest, credential: string, kept: StoredAnswer): Response {
    const headers = { ...behaviour.fields(request, credential), etag: kept.etag };
    if (request.rest !== "" && !request.rest.endsWith(".css")) {
      const model = behaviour.model(decodeURIComponent(request.rest), kept, desk);
      if (model === undefined) return new Response(behaviour.complaint(credential, desk), { status: 404, headers });
      return Response.json(model, { headers });
    }
    const sent = request.headers["if-none-match"];
    if (sent !== undefined && behaviour.isMatch(sent, kept, desk)) return new Response(null, { status: 304, headers });
    const coding = /^(gzip|br)/.exec(request.headers["accept-encoding"] ?? "")?.[1];
    if (coding !== "gzip" && coding !== "br") return new Response(kept.text, { headers });
    const bytes = new Uint8Array(behaviour.coded(kept.text, coding, request, desk));
    return new Response(bytes, { headers: { ...headers, "content-encoding": coding } });
  }

  const server = createServer((request, response) => {
    void whole(answer(request)).then(({ status, headers, body }) => {
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

export const GOOD: Behaviour = {
  credentialOf({ headers }) {
    const bearer = /^Bearer (?!null$|undefined$)(\S+)$/.exec(headers["authorization"] ?? "")?.[1];
    const key = headers["x-api-key"] === "" ? undefined : headers["x-api-key"];
    if (bearer !== undefined && key !== undefined && bearer !== key) return 400;
    return bearer ?? key ?? 401;
  },
  slotOf: ({ query, headers }, credential) => JSON.stringify([credential, String(query), headers["origin"]]),
  flightOf: (slot) => slot,
  forNoKey: () => undefined,
  instead: () => undefined,
  isMatch: (sent, kept) => sent === kept.etag,
  model: (id, { text }) => rowsOf(text).find((row) => row.id === id),
  purge(credential, { stored }) {
    for (const [slot, kept] of stored) if (kept.credential === credential) stored.delete(slot);
  },
  coded: (text, coding) => (coding === "gzip" ? gzipSync(text) : brotliCompressSync(text)),
  fields: () => ({ "cache-control": "private, no-cache", vary: "Authorization, X-API-Key, Origin" }),
  complaint: () => "no such list",
};

export function rowsOf(text: string): { id: string }[] {
  return (JSON.parse(text) as { data: { id: string }[] }).data;
}

async function whole(answering: Promise<Response>) {
  const response = await answering.catch((error: unknown) => new Response(String(error), { status: 500 }));
  const body = Buffer.from(await response.arrayBuffer());
  return { status: response.status, headers: Object.fromEntries(response.headers), body };
}
