import { promisify } from "node:util";
import { constants, crc32, deflateRawSync, gzip } from "node:zlib";
import { jsonText, send } from "./answer.ts";
import type { Breakage } from "./breakage.ts";

const gzipped = promisify(gzip);

/** Faults of the content coding; HTTP's framing is whole in all of them. */
export type CodingFault =
  /** A gzip stream that ends in its middle. */
  | "cut-gzip"
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

/** Is the size of what the gzip bomb inflates to, its few rows aside. */
export const bombBytes: number = 64 * 1024 * 1024;

function coded(coding: string, body: Buffer | string) {
  return jsonText(body, 200, { "content-encoding": coding });
}

// Made of one compressed megabyte many times over, since compressing all of it takes most of a second. A full
// flush ends each piece where the next can begin.
function gzipBomb(): Buffer {
  const [head, blanks, tail] = [
    '{"object":"list","data":[{"id":"bomb","object":"model"}',
    " ".repeat(MEGABYTE),
    "]}",
  ];
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

const MEGABYTE = 1024 * 1024;
const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
