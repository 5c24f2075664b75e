import { promisify } from "node:util";
import { brotliCompressSync, constants, crc32, deflateRawSync, gzip, gzipSync } from "node:zlib";
import { jsonText, send } from "./answer.ts";
import { closeConnection, type Breakage } from "./breakage.ts";
import type { Exchange } from "./exchange.ts";

const gzipAsync = promisify(gzip);

/** Faults of the content coding, in correct HTTP framing. */
export type CodingFault =
  /** A gzip stream cut in half. */
  | "cut-gzip"
  /** The same, chunked, on a connection that closes without the last chunk. */
  | "cut-gzip-chunked"
  /** A good gzip stream followed by other bytes. */
  | "gzip-and-more"
  /** A good list, gzipped twice. */
  | "gzip-twice"
  /** Plain JSON labelled gzip. */
  | "bad-gzip"
  /** 65 kB that inflate to a good list of 64 MB, nearly all of it spaces. */
  | "gzip-bomb"
  /** Gzip labelled br. */
  | "wrong-coding"
  /** An unknown coding. */
  | "unknown-coding";

/** Implementations of the coding faults. */
export const brokenCodings: Readonly<Record<CodingFault, Breakage>> = {
  async "cut-gzip"(exchange, good) {
    const whole = await gzipAsync(good);
    send(exchange, coded("gzip", whole.subarray(0, Math.ceil(whole.length / 2))));
  },
  async "cut-gzip-chunked"(exchange, good) {
    const whole = await gzipAsync(good);
    exchange.response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" });
    exchange.response.write(whole.subarray(0, Math.ceil(whole.length / 2)));
    closeConnection(exchange);
  },
  async "gzip-and-more"(exchange, good) {
    send(exchange, coded("gzip", Buffer.concat([await gzipAsync(good), Buffer.from("and more")])));
  },
  async "gzip-twice"(exchange, good) {
    send(exchange, coded("gzip, gzip", await gzipAsync(await gzipAsync(good))));
  },
  "bad-gzip"(exchange, good) {
    send(exchange, coded("gzip", good));
  },
  "gzip-bomb"(exchange) {
    send(exchange, coded("gzip", gzipBomb()));
  },
  async "wrong-coding"(exchange, good) {
    send(exchange, coded("br", await gzipAsync(good)));
  },
  "unknown-coding"(exchange, good) {
    send(exchange, coded("foo", good));
  },
};

/** A compression bomb. */
export interface BombFault {
  readonly kind: "bomb";
  readonly coding: "gzip" | "br" | "gzip, gzip";
  /** Status of the answer, 200 by default. */
  readonly status?: number | undefined;
}

/** Answers with less than 70 kB that decode to 64 MB. */
export function sendBomb(exchange: Exchange, { coding, status = 200 }: BombFault): void {
  send(exchange, { ...coded(coding, BOMBS[coding]()), status });
}

/** Decoded size of a bomb, without its row. */
export const bombBytes: number = 64 * 1024 * 1024;

function coded(coding: string, body: Buffer | string) {
  return jsonText(body, 200, { "content-encoding": coding });
}

// Repeats one compressed megabyte, since compressing all 64 takes most of a second. A full flush lets pieces be joined.
function gzipBomb(): Buffer {
  const [head, blanks, tail] = ['{"object":"list","data":[{"id":"bomb","object":"model"}', " ".repeat(MEGABYTE), "]}"];
  const flushed = { finishFlush: constants.Z_FULL_FLUSH };
  const pieces = Array.from({ length: bombBytes / MEGABYTE }, () => blanks);
  const blank = deflateRawSync(blanks, flushed);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE([head, ...pieces, tail].reduce((sum, piece) => crc32(piece, sum), 0));
  trailer.writeUInt32LE(head.length + bombBytes + tail.length, 4);
  return Buffer.concat([
    GZIP_HEADER,
    deflateRawSync(head, flushed),
    ...pieces.map(() => blank),
    deflateRawSync(tail),
    trailer,
  ]);
}

const BOMBS: Readonly<Record<BombFault["coding"], () => Buffer>> = {
  gzip: gzipBomb,
  "gzip, gzip": () => gzipSync(gzipBomb()),
  br: () =>
    brotliCompressSync(`{"object":"list","data":[{"id":"bomb"}]}${" ".repeat(bombBytes)}`, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 1 },
    }),
};
const MEGABYTE = 1024 * 1024;
const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
