import { once } from "node:events";
import { request, type Agent, type ClientRequest, type IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** A request with every header line given, by a client that adds, joins and decodes nothing. */
export interface PlainCall {
  readonly method?: string;
  /** Header fields, one per line. Missing `Host`, `Content-Length` and `Transfer-Encoding` are added. */
  readonly fields?: string;
  /** A body sent with Content-Length, or pieces sent with chunked transfer coding. */
  readonly body?: Buffer | string | AsyncIterable<Buffer>;
  /** Reuses connections; without it each call opens its own. */
  readonly agent?: Agent;
}

/** A response as received, not decoded. */
export interface PlainAnswer {
  readonly status: number;
  readonly reason: string;
  /** Name, value, name, value, … */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  readonly text: string;
  /** False where the body was cut short. */
  readonly isComplete: boolean;
}

/** Sends a request and reads the response to its end, complete or cut short. */
export async function plainCall(url: string, call: PlainCall = {}): Promise<PlainAnswer> {
  return readAnswer(await responseTo(startCall(url, call)));
}

/** Starts a request. Its errors reject `responseTo` only. */
export function startCall(url: string, { method = "GET", fields = "", body, agent }: PlainCall = {}): ClientRequest {
  const { hostname, port } = new URL(url);
  // Not `new URL(url).pathname`, which would normalize some targets.
  const path = url.replace(/^http:\/\/[^/]*/, "");
  const headers = parseRawHeaders(fields);
  const isMissing = (name: string) => headerValues(headers, name).length === 0;
  const hasLength = typeof body === "string" || Buffer.isBuffer(body);
  if (isMissing("host")) headers.push("Host", `${hostname}:${port}`);
  if (hasLength && isMissing("content-length")) headers.push("Content-Length", String(Buffer.byteLength(body)));
  if (body !== undefined && !hasLength) headers.push("Transfer-Encoding", "chunked");
  const outgoing = request({ hostname, port, path, method, headers, agent: agent ?? false });
  outgoing.on("error", () => {});
  if (body === undefined || hasLength) outgoing.end(body);
  // The response may come, and the connection end, before the whole body is sent.
  else pipeline(Readable.from(body, { objectMode: false }), outgoing).catch(() => {});
  return outgoing;
}

/** Resolves when the response's header section has arrived. */
export async function responseTo(outgoing: ClientRequest): Promise<IncomingMessage> {
  const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
  return answer;
}

/** Reads a response to its end, complete or cut short. */
export async function readAnswer(answer: IncomingMessage): Promise<PlainAnswer> {
  const chunks: Buffer[] = [];
  answer.on("data", (chunk: Buffer) => chunks.push(chunk));
  answer.on("error", () => {});
  await new Promise((resolve) => {
    answer.once("close", resolve);
  });
  const body = Buffer.concat(chunks);
  return {
    status: answer.statusCode ?? 0,
    reason: answer.statusMessage ?? "",
    rawHeaders: answer.rawHeaders,
    body,
    text: body.toString(),
    isComplete: answer.complete,
  };
}

/** Parses header fields, one per line, to name, value, name, value, … */
export function parseRawHeaders(fields: string): string[] {
  const lines = fields.split("\n").filter((line) => line.includes(":"));
  return lines.flatMap((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  });
}

/** The values of all fields with that lower-case name, in order. */
export function headerValues(rawHeaders: readonly string[], name: string): string[] {
  return rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name);
}

/** The distinct field names, in lower case, sorted. */
export function headerNames(rawHeaders: readonly string[]): string[] {
  return [...new Set(rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase()))].sort();
}
