import { pipeline, Readable } from "node:stream";
import { constants, createGzip } from "node:zlib";
import { field, fields, type FieldLines } from "../http/headers.ts";
import type { Call } from "../http/request-context.ts";

/** What goes up: header fields and body bytes. */
export interface Upload {
  readonly lines: FieldLines;
  readonly body: Readable;
}

const WORTH_BYTES = 16 * 1024;
// The largest decoded body that NanoGPT takes.
const DECODED_MAX_BYTES = 32 * 2 ** 20;
// Where NanoGPT takes compressed bodies, under every base URL.
const CALLS =
  /^(?:\/+(?:personalized|subscription|paid))?\/+v1(?:legacy|thinking)?(?:\/+v1)?\/+(?:chat\/+completions|responses|messages)\/*(?:\?|$)/;
// Who signs, pays for or encrypts a body may mean these very bytes.
const ABOUT_THE_BYTES = /digest|md5|signature|signing|payment|x402|encrypt|e2ee|enclave|pub-?key/;

/** Whether a call's body may go up in another coding; where it has no length, its first bytes tell the rest. */
export function isCompressible({ method, path, lines }: Call): boolean {
  if (method !== "POST" || !CALLS.test(path)) return false;
  if (!/^application\/json[\t ]*(?:;|$)/i.test(field(lines, "content-type") ?? "")) return false;
  if (!/^bearer /i.test(field(lines, "authorization") ?? "bearer ")) return false;
  const length = Number(field(lines, "content-length") ?? DECODED_MAX_BYTES);
  if (length <= WORTH_BYTES || length > DECODED_MAX_BYTES) return false;
  for (const [name, value] of fields(lines)) {
    const lower = name.toLowerCase();
    if (lower === "content-encoding" || ABOUT_THE_BYTES.test(lower)) return false;
    // RFC 9110 §7.7: a proxy must not transform the content then.
    if (lower === "cache-control" && /no-transform/i.test(value)) return false;
  }
  return true;
}

/** Gives a compressible call's body as gzip, or as it is where it ends within 16 KiB. What breaks it breaks the stream. */
export async function compressed({ lines }: Call, sent: Readable): Promise<Upload> {
  const chunks: AsyncIterableIterator<Buffer> = sent.iterator();
  const isLong = field(lines, "content-length") !== undefined;
  const { first, isWhole, rest } = isLong ? { first: [], isWhole: false, rest: chunks } : await begun(chunks);
  const whole = Readable.from(joined(first, rest), { objectMode: false });
  if (isWhole) return { lines, body: whole };
  // What has come goes up at once, however slowly the rest follows.
  const gzip = createGzip({ flush: constants.Z_SYNC_FLUSH });
  // Whichever ends first ends the other; who reads the end of this learns of its failure.
  pipeline(whole, gzip, () => {});
  return { lines: recoded(lines), body: gzip };
}

interface Begun {
  readonly first: readonly Buffer[];
  /** It ended, or broke, before it was worth compressing. */
  readonly isWhole: boolean;
  readonly rest: AsyncIterableIterator<Buffer>;
}

async function begun(chunks: AsyncIterableIterator<Buffer>): Promise<Begun> {
  const first: Buffer[] = [];
  for (let bytes = 0; bytes <= WORTH_BYTES; bytes += first.at(-1)?.length ?? 0) {
    try {
      const { done, value } = await chunks.next();
      if (done === true) return { first, isWhole: true, rest: chunks };
      first.push(value);
    } catch (error) {
      return { first, isWhole: true, rest: broken(error) };
    }
  }
  return { first, isWhole: false, rest: chunks };
}

async function* joined(first: readonly Buffer[], rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield* first;
  yield* rest;
}

// oxlint-disable-next-line require-yield -- it ends as the body ended
async function* broken(error: unknown): AsyncGenerator<Buffer> {
  throw error;
}

function recoded(lines: FieldLines): FieldLines {
  const kept: string[] = [];
  for (const [name, value] of fields(lines)) {
    if (name.toLowerCase() !== "content-length") kept.push(name, value);
  }
  return [...kept, "Content-Encoding", "gzip"];
}
