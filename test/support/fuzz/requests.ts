import { promisify } from "node:util";
import * as zlib from "node:zlib";
import { request, type Agent } from "undici";
import { clientAt } from "./clients.ts";
import type { ListOperation } from "./operations.ts";
import { permanentId, queryKey, versionedId, type ListQuery, type Shape } from "./record.ts";

/** An answer as its client received it, decoded. */
export interface ReceivedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** A request for a list or a model, and its meaning. */
export interface SentRequest {
  readonly operation: ListOperation;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly query: ListQuery;
  readonly shape: Shape;
  readonly id: string | undefined;
  /** Identifies client and query; two of these never share an ETag. */
  readonly owner: string;
  /** Identifies client, query, shape and id. */
  readonly view: string;
}

const SHAPES = {
  "": "original",
  "/detailed": "original",
  "/basic": "basic",
  "/openrouter": "openrouter",
} as const;

/** Builds the request of an operation. `version` is the current version of the client's models. */
export function buildRequest(operation: ListOperation, version: number): SentRequest {
  const { api, list, slash, query, origin, isEscaped } = operation;
  const id = idOf(operation, version);
  const end = id === undefined ? "" : `/${isEscaped ? encodeURIComponent(id) : id}`;
  const path = `${operation.shape}${api}${list}${operation.version}/models`.replaceAll("/", slash) + end;
  const headers: Record<string, string> = {
    ...credentialHeaders(operation),
    "accept-encoding": operation.acceptEncoding,
  };
  if (origin !== undefined) headers["origin"] = origin;
  if (operation.cacheControl !== undefined) headers["cache-control"] = operation.cacheControl;
  const isDetailed =
    operation.shape === "/detailed" ||
    operation.shape === "/openrouter" ||
    (operation.shape === "" && /detailed=(true|1)/.test(query));
  const parameters = [isDetailed ? "detailed=true" : "", query.startsWith("sort") ? query : ""];
  const listQuery = {
    list: list === "" ? "personalized" : list.slice(1),
    parameters: parameters.filter((one) => one !== "").join("&"),
    origin,
  };
  const shape = SHAPES[operation.shape];
  const owner = `${operation.client} ${queryKey(listQuery)}`;
  const view = `${owner} ${shape} ${id ?? ""}`;
  const target = query === "" ? path : `${path}?${query}`;
  return { operation, path: target, headers, query: listQuery, shape, id, owner, view };
}

/** The header or headers with a client's credential. */
export function credentialHeaders({
  client,
  header,
}: Pick<ListOperation, "client" | "header">): Record<string, string> {
  const key = clientAt(client).credential;
  if (header === "x-api-key") return { "x-api-key": key };
  const authorization = `${header === "both" ? "Bearer" : header} ${key}`;
  return header === "both" ? { authorization, "x-api-key": key } : { authorization };
}

function idOf({ model, client, other }: ListOperation, version: number): string | undefined {
  if (model === undefined) return undefined;
  if (model === "own-versioned") return versionedId(client, version);
  return permanentId(model === "own" ? client : other);
}

/** Sends a request and reads the whole answer; undefined if `leaveAfterMs` ended the request first. */
export async function send(
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
): Promise<ReceivedAnswer | undefined> {
  const leaving = new AbortController();
  const timer = leaveAfterMs === undefined ? undefined : setTimeout(() => leaving.abort(), leaveAfterMs);
  try {
    const signal = leaveAfterMs === undefined ? null : leaving.signal;
    const answer = await request(url, { dispatcher: agent, method, headers, body, signal });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    const text = await decode(bytes, answer.headers["content-encoding"]);
    return { status: answer.statusCode, headers: answer.headers, text };
  } catch (error) {
    if (leaving.signal.aborted) return undefined;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

const DECODERS = new Map<string, (bytes: Buffer) => Promise<Buffer>>([
  ["gzip", promisify(zlib.gunzip)],
  ["br", promisify(zlib.brotliDecompress)],
  ["zstd", promisify(zlib.zstdDecompress)],
]);

async function decode(bytes: Buffer, coding: string | string[] | undefined): Promise<string> {
  const decoder = bytes.length === 0 ? undefined : DECODERS.get(String(coding));
  return (decoder === undefined ? bytes : await decoder(bytes)).toString();
}
