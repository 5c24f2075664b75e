import { promisify } from "node:util";
import * as zlib from "node:zlib";
import type { Coding, Codec, Codecs } from "../storage/store.ts";

/**
 * Node's content codings, the smallest output first; all run in the thread pool. Brotli at quality 4 takes 1 % of the
 * time of quality 11, for 20 % more bytes.
 */
export const codecs: Codecs = new Map<Coding, Codec>([
  [
    "br",
    codec(promisify(zlib.brotliCompress), promisify(zlib.brotliDecompress), {
      params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 },
    }),
  ],
  ["zstd", codec(promisify(zlib.zstdCompress), promisify(zlib.zstdDecompress), {})],
  ["gzip", codec(promisify(zlib.gzip), promisify(zlib.gunzip), { level: 6 })],
]);

type Bytes = Uint8Array<ArrayBuffer>;
type Compress<Options> = (bytes: Bytes, options: Options) => Promise<Bytes>;

function codec<Options>(
  compress: Compress<Options>,
  decompress: (bytes: Bytes) => Promise<Bytes>,
  options: Options,
): Codec {
  return { encode: async (bytes) => copy(await compress(bytes, options)), decode: decompress };
}

// A copy, since zlib may return part of a larger buffer; a Buffer, since Node converts anything else at each write (6 %
// of a hit).
function copy(bytes: Uint8Array): Buffer<ArrayBuffer> {
  return Buffer.from(new Uint8Array(bytes).buffer);
}
