import { jsonText, send } from "./answer.ts";
import { closeConnection, type Breakage } from "./breakage.ts";
import { brokenCodings, sendBomb, type BombFault, type CodingFault } from "./broken-codings.ts";
import { brokenConnections, type ConnectionFault } from "./broken-connections.ts";
import { brokenLists, paddedList, type ListFault } from "./broken-lists.ts";
import { sendEndless, type EndlessFault } from "./endless-answers.ts";
import type { Exchange } from "./exchange.ts";
import { isListRequest, listFor } from "./lists.ts";
import { sendRaw, type RawFault } from "./raw-answers.ts";
import { rateLimited } from "./error-answers.ts";
import type { RouteContext } from "./routes.ts";

/** A failure or an unusual answer of NanoGPT. "Good" means the requested list. */
export type Fault =
  /** An answer of that status, after the request body unless `early`. */
  | {
      readonly kind: "status";
      readonly status: number;
      readonly body?: string | undefined;
      readonly headers?: Readonly<Record<string, string>> | undefined;
      readonly contentType?: string | undefined;
      readonly early?: boolean | undefined;
      /** What happens after the body, which is shorter than its Content-Length then. */
      readonly end?: "cut" | "hang" | undefined;
    }
  /** NanoGPT's own 429: a flat body on list routes, OpenAI's envelope elsewhere. */
  | { readonly kind: "rate-limited"; readonly retryAfter?: number | undefined }
  /** A redirect, by default with status 302 and to another host. */
  | {
      readonly kind: "redirect";
      readonly status?: number | undefined;
      readonly location?: string | undefined;
    }
  /** A good list, `bytes` (64) at a time, every `everyMs` (20). */
  | { readonly kind: "drip"; readonly bytes?: number | undefined; readonly everyMs?: number | undefined }
  /** A good list made longer than `bytes` (16 MB) by one more row. */
  | { readonly kind: "too-large"; readonly bytes?: number | undefined }
  /** A good list with `count` (200) headers of `bytes` (100 kB) in total. */
  | { readonly kind: "header-bomb"; readonly count?: number | undefined; readonly bytes?: number | undefined }
  /** A good list after interim answers (103, then 100). */
  | { readonly kind: "interim"; readonly statuses?: readonly number[] | undefined }
  | BombFault
  | RawFault
  | EndlessFault
  | { readonly kind: PlainFault };

/** A fault without options. */
export type PlainFault = ConnectionFault | CodingFault | ListFault | "no-content";

const plainBreakages: Readonly<Record<PlainFault, Breakage>> = {
  ...brokenConnections,
  ...brokenCodings,
  ...brokenLists,
  "no-content": (exchange) => send(exchange, { status: 204, headers: {}, body: "" }),
};

/** All faults without options. */
export const plainFaults: readonly PlainFault[] = Object.keys(plainBreakages).filter(isPlainKind);

/** Answers a request with a fault. */
export async function answerBroken(exchange: Exchange, fault: Fault, context: RouteContext): Promise<void> {
  if (!(fault.kind === "status" && fault.early === true)) await exchange.body();
  const listRoute = isListRequest(exchange.seen);
  const good = listRoute ? listFor(exchange, context) : GOOD_CALL;
  if (isPlain(fault)) return plainBreakages[fault.kind](exchange, good);
  switch (fault.kind) {
    case "status":
      return sendStatus(exchange, fault);
    case "rate-limited":
      return send(exchange, rateLimited(listRoute, fault.retryAfter).answer);
    case "redirect":
      return sendRedirect(exchange, fault);
    case "drip":
      return drip(exchange, good, fault);
    case "too-large":
      return send(exchange, jsonText(paddedList(good, fault.bytes ?? 16 * 1024 * 1024)));
    case "header-bomb":
      return sendHeaderBomb(exchange, good, fault);
    case "interim":
      return sendInterim(exchange, good, fault);
    case "bomb":
      return sendBomb(exchange, fault);
    case "raw":
      return sendRaw(exchange, good, fault);
    case "endless":
      return sendEndless(exchange, good, fault);
  }
}

function isPlain(fault: Fault): fault is { readonly kind: PlainFault } {
  return isPlainKind(fault.kind);
}

function isPlainKind(kind: string): kind is PlainFault {
  return Object.hasOwn(plainBreakages, kind);
}

type FaultOf<Kind extends Fault["kind"]> = Extract<Fault, { readonly kind: Kind }>;

function sendStatus(exchange: Exchange, fault: FaultOf<"status">): void {
  const { status, body = "", headers, contentType, end } = fault;
  const type = contentType ?? (body.startsWith("{") ? "application/json" : "text/plain");
  if (end === undefined) return send(exchange, { status, headers: { "content-type": type, ...headers }, body });
  exchange.response.writeHead(status, {
    "content-type": type,
    "content-length": body.length + 100,
    ...headers,
  });
  exchange.response.flushHeaders();
  exchange.response.write(body);
  if (end === "cut") closeConnection(exchange);
}

function sendRedirect(exchange: Exchange, { status = 302, location }: FaultOf<"redirect">): void {
  send(exchange, { status, headers: { location: location ?? "https://elsewhere.invalid/models" }, body: "" });
}

async function drip(exchange: Exchange, good: string, { bytes = 64, everyMs = 20 }: FaultOf<"drip">) {
  const { response } = exchange;
  const body = Buffer.from(good);
  response.writeHead(200, { "content-type": "application/json", "content-length": body.length });
  for (let sent = 0; sent < body.length; sent += bytes) {
    response.write(body.subarray(sent, sent + bytes));
    await exchange.wait(everyMs);
  }
  response.end();
}

function sendHeaderBomb(exchange: Exchange, good: string, fault: FaultOf<"header-bomb">): void {
  const { count = 200, bytes = 100_000 } = fault;
  const value = "x".repeat(Math.ceil(bytes / count));
  for (let index = 0; index < count; index++) exchange.response.setHeader(`x-bomb-${index}`, value);
  send(exchange, jsonText(good));
}

function sendInterim(exchange: Exchange, good: string, { statuses = [103, 100] }: FaultOf<"interim">): void {
  for (const status of statuses) {
    const link = status === 103 ? "Link: </style.css>; rel=preload\r\n" : "";
    exchange.request.socket.write(`HTTP/1.1 ${status} Interim\r\n${link}\r\n`);
  }
  send(exchange, jsonText(good));
}

// What faults break on routes other than lists.
const GOOD_CALL = JSON.stringify({
  id: "chatcmpl-standin",
  object: "chat.completion",
  created: 1_780_000_000,
  model: "standin",
  choices: [{ index: 0, message: { role: "assistant", content: "A good answer." }, finish_reason: "stop" }],
});
