import { pipeline, Readable } from "node:stream";
import { constants, createGzip } from "node:zlib";
import { firstHeader, headerEntries, type RawHeaders } from "../http/headers.ts";
import type { ProxyRequest } from "../http/request-context.ts";

/** What goes up: header fields and body bytes. */
export interface Upload {
  readonly rawHeaders: RawHeaders;
  readonly body: Readable;
}

const WORTH_BYTES = 16 * 1024;
// The largest decoded body that NanoGPT takes.
const DECODED_MAX_BYTES = 32 * 2 ** 20;
// Where NanoGPT takes compressed bodies, under every base URL.
const CALLS =
  /^(?:\/+(?:personalized|subscription|paid))?\/+v1(?:legacy|thinking)?(?:\/+v1)?\/+(?:chat\/+completions|responses|messages)\/*(?:\?|$)/;
// Who signs, pays for or encrypts a body may mean these very bytes.
const BODY_SIGNING_HEADERS = /digest|md5|signature|signing|payment|x402|encrypt|e2ee|enclave|pub-?key/;

/** Whether a call's body may go up in another coding; where it has no length, its first bytes tell the rest. */
export function isCompressible({ method, path, rawHeaders }: ProxyRequest): boolean {
  if (method !== "POST" || !CALLS.test(path)) return false;
  if (!/^application\/json[\t ]*(?:;|$)/i.test(firstHeader(rawHeaders, "content-type") ?? "")) return false;
  if (!/^bearer /i.test(firstHeader(rawHeaders, "authorization") ?? "bearer ")) return false;
  const length = Number(firstHeader(rawHeaders, "content-length") ?? DECODED_MAX_BYTES);
  if (length <= WORTH_BYTES || length > DECODED_MAX_BYTES) return false;
  for (const [name, value] of headerEntries(rawHeaders)) {
    const lower = name.toLowerCase();
    if (lower === "content-encoding" || BODY_SIGNING_HEADERS.test(lower)) return false;
    // RFC 9110 §7.7: a proxy must not transform the content then.
    if (lower === "cache-control" && /no-transform/i.test(value)) return false;
  }
  return true;
}

/** Gives a compressible call's body as gzip, or as it is where it ends within 16 KiB. What breaks it breaks the stream. */
export async function compressUpload({ rawHeaders }: ProxyRequest, sent: Readable): Promise<Upload> {
  const chunks: AsyncIterableIterator<Buffer> = sent.iterator();
  const isLong = firstHeader(rawHeaders, "content-length") !== undefined;
  const { first, isWhole, rest } = isLong
    ? { first: [], isWhole: false, rest: chunks }
    : await readPrefix(chunks);
  const whole = Readable.from(concatStreams(first, rest), { objectMode: false });
  if (isWhole) return { rawHeaders, body: whole };
  // What has come goes up at once, however slowly the rest follows.
  const gzip = createGzip({ flush: constants.Z_SYNC_FLUSH });
  // Whichever ends first ends the other; who reads the end of this learns of its failure.
  pipeline(whole, gzip, () => {});
  return { rawHeaders: withGzipHeader(rawHeaders), body: gzip };
}

interface BodyPrefix {
  readonly first: readonly Buffer[];
  /** It ended, or broke, before it was worth compressing. */
  readonly isWhole: boolean;
  readonly rest: AsyncIterableIterator<Buffer>;
}

async function readPrefix(chunks: AsyncIterableIterator<Buffer>): Promise<BodyPrefix> {
  const first: Buffer[] = [];
  for (let bytes = 0; bytes <= WORTH_BYTES; bytes += first.at(-1)?.length ?? 0) {
    try {
      const { done, value } = await chunks.next();
      if (done === true) return { first, isWhole: true, rest: chunks };
      first.push(value);
    } catch (error) {
      return { first, isWhole: true, rest: failing(error) };
    }
  }
  return { first, isWhole: false, rest: chunks };
}

async function* concatStreams(first: readonly Buffer[], rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield* first;
  yield* rest;
}

// oxlint-disable-next-line require-yield -- it ends as the body ended
async function* failing(error: unknown): AsyncGenerator<Buffer> {
  throw error;
}

function withGzipHeader(lines: RawHeaders): RawHeaders {
  const kept: string[] = [];
  for (const [name, value] of headerEntries(lines)) {
    if (name.toLowerCase() !== "content-length") kept.push(name, value);
  }
  return [...kept, "Content-Encoding", "gzip"];
}
