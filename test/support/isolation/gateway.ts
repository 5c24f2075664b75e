import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { brotliCompressSync, gzipSync } from "node:zlib";

/** A list that a gateway holds. */
export interface Kept {
  readonly credential: string;
  readonly text: string;
  readonly etag: string;
}

/** One request as a gateway understands it. */
export interface Visitor {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly query: URLSearchParams;
  /** What follows `/models`. */
  readonly rest: string;
  readonly socket: Socket;
}

/** What a gateway remembers between requests. */
export interface Desk {
  readonly held: Map<string, Kept>;
  /** Room for a bad habit to keep things in. */
  readonly drawer: Map<unknown, string>;
}

/** How a gateway decides; a bad one differs in a single habit. */
export interface Habits {
  credentialOf(visitor: Visitor): string | 400 | 401;
  /** Where the answer to this visitor is held. */
  slotOf(visitor: Visitor, credential: string, desk: Desk): string | Promise<string>;
  /** What a request shares a question to upstream by. */
  flightOf(slot: string, visitor: Visitor): string;
  /** A list for who has no key at all. */
  forNoKey(visitor: Visitor, desk: Desk): Kept | undefined;
  /** A list for who is refused upstream, or finds none held. */
  instead(credential: string, desk: Desk, why: "not held" | "refused"): Kept | undefined;
  isMatch(sent: string, kept: Kept, desk: Desk): boolean;
  model(id: string, kept: Kept, desk: Desk): object | undefined;
  purge(credential: string, desk: Desk): void;
  coded(text: string, coding: "gzip" | "br", visitor: Visitor, desk: Desk): Buffer;
  fields(visitor: Visitor, credential: string): Record<string, string>;
  /** The body of a 404 and of a 401. */
  complaint(credential: string, desk: Desk): string;
}

/** A gateway with one bad habit, and parts of the sentences of the checks that it breaks. */
export interface Bad {
  readonly defect: string;
  readonly habits: Partial<Habits>;
  readonly breaks: readonly string[];
}

/** A small caching proxy for one list, which keeps keys apart as long as its habits are good. */
export interface Gateway {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts one before an upstream; `prefix` is what stands before `/v1` in its paths. */
export async function startGateway(upstream: string, habits: Habits, prefix = ""): Promise<Gateway> {
  const desk: Desk = { held: new Map(), drawer: new Map() };
  const flights = new Map<string, Promise<Kept | number>>();

  async function answer(request: IncomingMessage): Promise<Response> {
    const { pathname, searchParams: query } = new URL(`http://gateway${request.url}`);
    if (!pathname.startsWith(`${prefix}/v1/models`)) return new Response(null, { status: 404 });
    const rest = pathname.slice(`${prefix}/v1/models`.length).replace(/^\/+/, "");
    const headers = Object.fromEntries(Object.entries(request.headers).map(([k, v]) => [k, v?.toString()]));
    const visitor: Visitor = { headers, query, rest, socket: request.socket };
    const credential = habits.credentialOf(visitor);
    if (typeof credential === "number") {
      const gift = credential === 401 ? habits.forNoKey(visitor, desk) : undefined;
      return gift === undefined ? new Response("no key", { status: credential }) : list(visitor, "", gift);
    }
    if (request.method === "DELETE") {
      habits.purge(credential, desk);
      return new Response(null, { status: 204 });
    }
    const found = await find(visitor, credential);
    if (typeof found === "object") return list(visitor, credential, found);
    const fields = habits.fields(visitor, credential);
    return new Response(habits.complaint(credential, desk), { status: found, headers: fields });
  }

  async function find(visitor: Visitor, credential: string): Promise<Kept | number> {
    const control = visitor.headers["cache-control"] ?? "";
    const slot = await habits.slotOf(visitor, credential, desk);
    const kept = control.includes("no-store") ? undefined : desk.held.get(slot);
    if (kept !== undefined) return kept;
    if (control.includes("only-if-cached")) return habits.instead(credential, desk, "not held") ?? 504;
    const name = habits.flightOf(`${slot} ${control}`, visitor);
    const flight = flights.get(name) ?? ask(credential, visitor).finally(() => flights.delete(name));
    flights.set(name, flight);
    const landed = await flight;
    if (typeof landed === "number") return habits.instead(credential, desk, "refused") ?? landed;
    if (!control.includes("no-store")) desk.held.set(slot, landed);
    return landed;
  }

  async function ask(credential: string, { query }: Visitor): Promise<Kept | number> {
    const headers = { authorization: `Bearer ${credential}` };
    const answer = await fetch(`${upstream}/personalized/v1/models?${query.toString()}`, { headers });
    const text = await answer.text();
    return answer.ok
      ? { credential, text, etag: `"${text.length}-${text.slice(60, 90).replaceAll('"', "")}"` }
      : answer.status;
  }

  function list(visitor: Visitor, credential: string, kept: Kept): Response {
    const headers = { ...habits.fields(visitor, credential), etag: kept.etag };
    if (visitor.rest !== "" && !visitor.rest.endsWith(".css")) {
      const model = habits.model(decodeURIComponent(visitor.rest), kept, desk);
      if (model === undefined)
        return new Response(habits.complaint(credential, desk), { status: 404, headers });
      return Response.json(model, { headers });
    }
    const sent = visitor.headers["if-none-match"];
    if (sent !== undefined && habits.isMatch(sent, kept, desk))
      return new Response(null, { status: 304, headers });
    const coding = /^(gzip|br)/.exec(visitor.headers["accept-encoding"] ?? "")?.[1];
    if (coding !== "gzip" && coding !== "br") return new Response(kept.text, { headers });
    const bytes = new Uint8Array(habits.coded(kept.text, coding, visitor, desk));
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

export const GOOD: Habits = {
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
  purge(credential, { held }) {
    for (const [slot, kept] of held) if (kept.credential === credential) held.delete(slot);
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
