import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { Exchange } from "./exchange.ts";

const gzipAsync = promisify(gzip);
const brotliAsync = promisify(brotliCompress);

/** A complete answer. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Buffer | string;
}

/** A JSON answer. */
export function json(status: number, value: unknown, headers: Answer["headers"] = {}): Answer {
  return jsonText(JSON.stringify(value), status, headers);
}

/** A JSON answer with the given text. */
export function jsonText(body: string | Buffer, status = 200, headers: Answer["headers"] = {}): Answer {
  return { status, headers: { "content-type": "application/json", ...headers }, body };
}

/** Sends an answer, with Content-Length except on 204 and 304. */
export function send({ response }: Exchange, answer: Answer): void {
  for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
  const body = Buffer.from(answer.body);
  if (answer.status !== 204 && answer.status !== 304 && !response.hasHeader("content-length")) {
    response.setHeader("content-length", body.length);
  }
  response.writeHead(answer.status);
  response.end(body);
}

/** Compresses an answer as the request's `Accept-Encoding` allows: gzip, else br. */
export async function compressed({ request }: Exchange, answer: Answer): Promise<Answer> {
  const accepted = request.headers["accept-encoding"] ?? "";
  if (accepts(accepted, "gzip")) return gzipAnswer(answer);
  if (!accepts(accepted, "br")) return answer;
  const quick = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };
  return coded(answer, "br", await brotliAsync(answer.body, quick));
}

/** Compresses an answer with gzip, whatever the request accepts. */
export async function gzipAnswer(answer: Answer): Promise<Answer> {
  return coded(answer, "gzip", await gzipAsync(answer.body));
}

function coded(answer: Answer, coding: string, body: Buffer): Answer {
  return { ...answer, headers: { ...answer.headers, "content-encoding": coding }, body };
}

function accepts(accepted: string, coding: string): boolean {
  return accepted.split(",").some((item) => {
    const [name = "", ...parameters] = item.split(";").map((part) => part.trim().toLowerCase());
    return name === coding && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  });
}
