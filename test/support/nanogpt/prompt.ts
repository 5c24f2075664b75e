import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, type ZlibOptions } from "node:zlib";
import type { Exchange } from "./exchange.ts";
import { badRequest } from "./error-answers.ts";

// The largest decoded body that NanoGPT accepts.
const limit: ZlibOptions = { maxOutputLength: 32 * 1024 * 1024 };
const decoders: Readonly<Record<string, (body: Buffer) => Promise<Buffer>>> = {
  identity: (body) => Promise.resolve(body),
  gzip: (body) => promisify<Buffer, ZlibOptions, Buffer>(gunzip)(body, limit),
  deflate: (body) => promisify<Buffer, ZlibOptions, Buffer>(inflate)(body, limit),
  br: (body) => promisify<Buffer, ZlibOptions, Buffer>(brotliDecompress)(body, limit),
};

/** A call's JSON body. */
export interface Prompt {
  readonly model: string;
  readonly streamed: boolean;
  /** The last text that the client wrote. */
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Reads the JSON body of a call, compressed or not, or throws an `ErrorAnswer`. */
export async function parsePrompt(exchange: Exchange): Promise<Prompt> {
  const coding = exchange.request.headers["content-encoding"] ?? "identity";
  const decode = decoders[coding.toLowerCase()];
  if (decode === undefined) throw badRequest(`Unsupported content encoding: ${coding}`, 415);
  const fields = parsed(await decoded(await exchange.body(), decode));
  if (typeof fields["model"] !== "string") throw badRequest("The field model must be a string.");
  return {
    model: fields["model"],
    streamed: fields["stream"] === true,
    text: lastText(fields["messages"] ?? fields["input"] ?? fields["prompt"]),
    fields,
  };
}

async function decoded(body: Buffer, decode: (body: Buffer) => Promise<Buffer>): Promise<string> {
  try {
    return (await decode(body)).toString();
  } catch (error) {
    const tooLarge = error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
    throw tooLarge ? badRequest("The body is too large.", 413) : badRequest("The body cannot be decoded.");
  }
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (isRecord(value)) return value;
  } catch {
    // Answered below like any other body that is not an object.
  }
  throw badRequest("The body must be a JSON object.");
}

// Every API nests messages and their parts differently, but in all of them the text comes last.
function lastText(value: unknown): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return lastText(value.at(-1));
  return isRecord(value) ? lastText(value["content"] ?? value["text"]) : "";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
