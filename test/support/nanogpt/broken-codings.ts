import { promisify } from "node:util";
import { brotliCompressSync, constants, crc32, deflateRawSync, gzip, gzipSync } from "node:zlib";
import { jsonText, send } from "./answer.ts";
import { closeConnection, type Breakage } from "./breakage.ts";
import type { Exchange } from "./exchange.ts";

const gzipped = promisify(gzip);

/** Faults of the content coding; HTTP's framing is whole in all of them. */
export type CodingFault =
  /** A gzip stream that ends in its middle. */
  | "cut-gzip"
  /** The same in chunks on a connection that closes without the last one. */
  | "cut-gzip-chunked"
  /** A good gzip stream with more bytes behind it. */
  | "gzip-and-more"
  /** A good list in gzip, in gzip once more. */
  | "gzip-twice"
  /** Said to be gzip, and is not. */
  | "bad-gzip"
  /** 65 kB that inflate to a good list of 64 MB, nearly all of it blanks. */
  | "gzip-bomb"
  /** Said to be br, and is gzip. */
  | "wrong-coding"
  /** A coding that nobody knows. */
  | "unknown-coding";

/** How the coding breaks, by fault. */
export const brokenCodings: Readonly<Record<CodingFault, Breakage>> = {
  async "cut-gzip"(exchange, good) {
    const whole = await gzipped(good);
    send(exchange, coded("gzip", whole.subarray(0, Math.ceil(whole.length / 2))));
  },
  async "cut-gzip-chunked"(exchange, good) {
    const whole = await gzipped(good);
    exchange.response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" });
    exchange.response.write(whole.subarray(0, Math.ceil(whole.length / 2)));
    closeConnection(exchange);
  },
  async "gzip-and-more"(exchange, good) {
    send(exchange, coded("gzip", Buffer.concat([await gzipped(good), Buffer.from("and more")])));
  },
  async "gzip-twice"(exchange, good) {
    send(exchange, coded("gzip, gzip", await gzipped(await gzipped(good))));
  },
  "bad-gzip"(exchange, good) {
    send(exchange, coded("gzip", good));
  },
  "gzip-bomb"(exchange) {
    send(exchange, coded("gzip", gzipBomb()));
  },
  async "wrong-coding"(exchange, good) {
    send(exchange, coded("br", await gzipped(good)));
  },
  "unknown-coding"(exchange, good) {
    send(exchange, coded("foo", good));
  },
};

/** A few bytes that grow to many. */
export interface BombFault {
  readonly kind: "bomb";
  readonly coding: "gzip" | "br" | "gzip, gzip";
  /** Of the answer; 200 when left out. */
  readonly status?: number | undefined;
}

/** Answers with a bomb of 64 MB. */
export function sendBomb(exchange: Exchange, { coding, status = 200 }: BombFault): void {
  send(exchange, { ...coded(coding, BOMBS[coding]()), status });
}

/** Is the size of what the gzip bomb inflates to, its few rows aside. */
export const bombBytes: number = 64 * 1024 * 1024;

function coded(coding: string, body: Buffer | string) {
  return jsonText(body, 200, { "content-encoding": coding });
}

// Made of one compressed megabyte many times over, since compressing all of it takes most of a second. A full
// flush ends each piece where the next can begin.
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
