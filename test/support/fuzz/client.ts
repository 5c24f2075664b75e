import { promisify } from "node:util";
import * as zlib from "node:zlib";
import { request, type Agent } from "undici";
import { caller } from "./callers.ts";
import type { ListOperation } from "./operations.ts";
import { lastingId, passingId, serializeRecord, type RecordedQuery, type Shape } from "./record.ts";

/** An answer as its client read it, decoded. */
export interface Seen {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** A request for a list or a model, and what it means. */
export interface SentRequest {
  readonly operation: ListOperation;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly question: RecordedQuery;
  readonly shape: Shape;
  readonly id: string | undefined;
  /** Names client and question: no validator stands for two of these. */
  readonly owner: string;
  /** Names the view too. */
  readonly view: string;
}

const SHAPES = {
  "": "original",
  "/detailed": "original",
  "/basic": "basic",
  "/openrouter": "openrouter",
} as const;

/** Writes down an operation as a request. `version` is of the client's models now. */
export function describeRequest(operation: ListOperation, version: number): SentRequest {
  const { shape, api, list, slash, query, origin, isEscaped } = operation;
  const id = idOf(operation, version);
  const end = id === undefined ? "" : `/${isEscaped ? encodeURIComponent(id) : id}`;
  const path = `${shape}${api}${list}${operation.version}/models`.replaceAll("/", slash) + end;
  const headers: Record<string, string> = {
    ...credential(operation),
    "accept-encoding": operation.acceptEncoding,
  };
  if (origin !== undefined) headers["origin"] = origin;
  if (operation.cacheControl !== undefined) headers["cache-control"] = operation.cacheControl;
  const isDetailed =
    shape === "/detailed" || shape === "/openrouter" || (shape === "" && /detailed=(true|1)/.test(query));
  const meaningful = [isDetailed ? "detailed=true" : "", query.startsWith("sort") ? query : ""];
  const question = {
    list: list === "" ? "personalized" : list.slice(1),
    query: meaningful.filter((one) => one !== "").join("&"),
    origin,
  };
  const wanted = SHAPES[shape];
  const owner = `${operation.caller} ${serializeRecord(question)}`;
  const view = `${owner} ${wanted} ${id ?? ""}`;
  const target = query === "" ? path : `${path}?${query}`;
  return { operation, path: target, headers, question, shape: wanted, id, owner, view };
}

/** Writes a client's credential in one of the ways in which it may stand in a request. */
export function credential({
  caller: index,
  header,
}: Pick<ListOperation, "caller" | "header">): Record<string, string> {
  const key = caller(index).credential;
  if (header === "x-api-key") return { "x-api-key": key };
  const authorization = `${header === "both" ? "Bearer" : header} ${key}`;
  return header === "both" ? { authorization, "x-api-key": key } : { authorization };
}

function idOf({ model, caller, other }: ListOperation, version: number): string | undefined {
  if (model === undefined) return undefined;
  if (model === "own-passing") return passingId(caller, version);
  return lastingId(model === "own" ? caller : other);
}

/** Makes a request and reads its answer to the end. Gives undefined where the client left before. */
export async function call(
  agent: Agent,
  url: string,
  {
    method,
    headers,
    body = null,
    leaveAfterMs,
  }: {
    readonly method: string;
    readonly headers: Record<string, string>;
    readonly body?: string | null;
    readonly leaveAfterMs?: number | undefined;
  },
): Promise<Seen | undefined> {
  const leaving = new AbortController();
  const timer = leaveAfterMs === undefined ? undefined : setTimeout(() => leaving.abort(), leaveAfterMs);
  try {
    const signal = leaveAfterMs === undefined ? null : leaving.signal;
    const answer = await request(url, { dispatcher: agent, method, headers, body, signal });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    const text = await decoded(bytes, answer.headers["content-encoding"]);
    return { status: answer.statusCode, headers: answer.headers, text };
  } catch (fault) {
    if (leaving.signal.aborted) return undefined;
    throw fault;
  } finally {
    clearTimeout(timer);
  }
}

const DECODERS = new Map<string, (bytes: Buffer) => Promise<Buffer>>([
  ["gzip", promisify(zlib.gunzip)],
  ["br", promisify(zlib.brotliDecompress)],
  ["zstd", promisify(zlib.zstdDecompress)],
]);

async function decoded(bytes: Buffer, coding: string | string[] | undefined): Promise<string> {
  const decode = bytes.length === 0 ? undefined : DECODERS.get(String(coding));
  return (decode === undefined ? bytes : await decode(bytes)).toString();
}
