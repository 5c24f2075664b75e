import { once } from "node:events";
import { request, type Agent, type ClientRequest, type IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** A call of which every header line is chosen, by a client that adds, joins and decodes nothing. */
export interface PlainCall {
  readonly method?: string;
  /** Header fields, one a line. `Host` and, for a body, its length or chunks are added where they are missing. */
  readonly fields?: string;
  /** Bytes of a known length, or pieces that are sent in chunks. */
  readonly body?: Buffer | string | AsyncIterable<Buffer>;
  /** Keeps connections; without it each call has one of its own. */
  readonly agent?: Agent;
}

/** An answer as it came. */
export interface PlainAnswer {
  readonly status: number;
  readonly reason: string;
  /** Name, value, name, value, … */
  readonly lines: readonly string[];
  readonly body: Buffer;
  readonly text: string;
  /** False where the body ended before the end it had promised. */
  readonly isWhole: boolean;
}

/** Makes a call and reads its answer to the end, good or cut. */
export async function plainCall(url: string, call: PlainCall = {}): Promise<PlainAnswer> {
  return readAnswer(await answerTo(begun(url, call)));
}

/** Begins a call. Its errors are for who waits for its answer. */
export function begun(
  url: string,
  { method = "GET", fields = "", body, agent }: PlainCall = {},
): ClientRequest {
  const { hostname, port } = new URL(url);
  // The target stays as it was written: a parsed URL would write some anew.
  const path = url.replace(/^http:\/\/[^/]*/, "");
  const headers = linesOf(fields);
  const isMissing = (name: string) => valuesOf(headers, name).length === 0;
  const isKnown = typeof body === "string" || Buffer.isBuffer(body);
  if (isMissing("host")) headers.push("Host", `${hostname}:${port}`);
  if (isKnown && isMissing("content-length")) headers.push("Content-Length", String(Buffer.byteLength(body)));
  if (body !== undefined && !isKnown) headers.push("Transfer-Encoding", "chunked");
  const outgoing = request({ hostname, port, path, method, headers, agent: agent ?? false });
  outgoing.on("error", () => {});
  if (body === undefined || isKnown) outgoing.end(body);
  // An answer may come, and the connection end, before all is sent.
  else pipeline(Readable.from(body, { objectMode: false }), outgoing).catch(() => {});
  return outgoing;
}

/** Resolves with the head of the answer. */
export async function answerTo(outgoing: ClientRequest): Promise<IncomingMessage> {
  const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
  return answer;
}

/** Reads an answer to its end, good or cut. */
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
    lines: answer.rawHeaders,
    body,
    text: body.toString(),
    isWhole: answer.complete,
  };
}

/** Reads header fields, one a line: name, value, name, value, … */
export function linesOf(fields: string): string[] {
  const lines = fields.split("\n").filter((line) => line.includes(":"));
  return lines.flatMap((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  });
}

/** Gives the values of all lines of that name (in lower case), in order. */
export function valuesOf(lines: readonly string[], name: string): string[] {
  return lines.filter((_, index) => index % 2 === 1 && lines[index - 1]?.toLowerCase() === name);
}

/** Gives the names of all lines, in lower case, sorted, each once. */
export function namesOf(lines: readonly string[]): string[] {
  return [...new Set(lines.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase()))].sort();
}
