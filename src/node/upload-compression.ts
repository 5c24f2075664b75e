import { pipeline, Readable } from "node:stream";
import { constants, createGzip } from "node:zlib";
import { parseBase, splitPath } from "../http/canonical-path.ts";
import { firstHeader, headerEntries, type RawHeaders } from "../http/headers.ts";
import type { ProxyRequest } from "../http/request-context.ts";

/** Header lines and body for upstream. */
export interface Upload {
  readonly rawHeaders: RawHeaders;
  readonly body: Readable;
}

const MIN_BYTES = 16 * 1024;
// The largest decoded body that NanoGPT accepts.
const DECODED_MAX_BYTES = 32 * 2 ** 20;
// NanoGPT accepts compressed bodies on these calls, under every base URL.
const COMPRESSIBLE_CALLS = new Set(["chat/completions", "responses", "messages"]);
// A client that signs, pays for or encrypts a body may refer to its exact bytes.
const BODY_SIGNING_HEADERS = /digest|md5|signature|signing|payment|x402|encrypt|e2ee|enclave|pub-?key/;

/** Whether a call's body may be sent as gzip; `compressUpload` checks the length of one without Content-Length. */
export function isCompressible({ method, path, rawHeaders }: ProxyRequest): boolean {
  if (method !== "POST" || !isCompressibleCall(path)) return false;
  if (!/^application\/json[\t ]*(?:;|$)/i.test(firstHeader(rawHeaders, "content-type") ?? "")) return false;
  if (!/^bearer /i.test(firstHeader(rawHeaders, "authorization") ?? "bearer ")) return false;
  const length = Number(firstHeader(rawHeaders, "content-length") ?? DECODED_MAX_BYTES);
  if (length <= MIN_BYTES || length > DECODED_MAX_BYTES) return false;
  for (const [name, value] of headerEntries(rawHeaders)) {
    const lower = name.toLowerCase();
    if (lower === "content-encoding" || BODY_SIGNING_HEADERS.test(lower)) return false;
    // RFC 9110 §7.7: with no-transform a proxy must not change the content.
    if (lower === "cache-control" && /no-transform/i.test(value)) return false;
  }
  return true;
}

function isCompressibleCall(path: string): boolean {
  const segments = splitPath(path.replace(/\?.*$/, ""));
  const { length, droppedUpstream, isVersioned } = parseBase(segments);
  const call = segments.slice(length).join("/");
  return isVersioned && droppedUpstream === 0 && COMPRESSIBLE_CALLS.has(call);
}

/** A compressible call's body as gzip, or unchanged if it ends within 16 KiB. Errors of the body fail the stream. */
export async function compressUpload({ rawHeaders }: ProxyRequest, original: Readable): Promise<Upload> {
  const chunks: AsyncIterableIterator<Buffer> = original.iterator();
  const isLong = firstHeader(rawHeaders, "content-length") !== undefined;
  const { first, isWhole, rest } = isLong ? { first: [], isWhole: false, rest: chunks } : await readPrefix(chunks);
  const body = Readable.from(concatStreams(first, rest), { objectMode: false });
  if (isWhole) return { rawHeaders, body };
  // Flushed after each chunk, so that slowly sent bodies are not delayed.
  const gzip = createGzip({ flush: constants.Z_SYNC_FLUSH });
  // Destroying either stream destroys the other; errors reach the reader of `gzip`.
  pipeline(body, gzip, () => {});
  return { rawHeaders: withGzipHeader(rawHeaders), body: gzip };
}

interface BodyPrefix {
  readonly first: readonly Buffer[];
  /** Whether the body ended, or failed, before it was worth compressing. */
  readonly isWhole: boolean;
  readonly rest: AsyncIterableIterator<Buffer>;
}

async function readPrefix(chunks: AsyncIterableIterator<Buffer>): Promise<BodyPrefix> {
  const first: Buffer[] = [];
  for (let bytes = 0; bytes <= MIN_BYTES; bytes += first.at(-1)?.length ?? 0) {
    try {
      const { done, value } = await chunks.next();
      if (done === true) return { first, isWhole: true, rest: chunks };
      first.push(value);
    } catch (error) {
      return { first, isWhole: true, rest: throwing(error) };
    }
  }
  return { first, isWhole: false, rest: chunks };
}

async function* concatStreams(first: readonly Buffer[], rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield* first;
  yield* rest;
}

// oxlint-disable-next-line require-yield -- it only rethrows the error of the body
async function* throwing(error: unknown): AsyncGenerator<Buffer> {
  throw error;
}

function withGzipHeader(lines: RawHeaders): RawHeaders {
  const rawHeaders: string[] = [];
  for (const [name, value] of headerEntries(lines)) {
    if (name.toLowerCase() !== "content-length") rawHeaders.push(name, value);
  }
  return [...rawHeaders, "Content-Encoding", "gzip"];
}
