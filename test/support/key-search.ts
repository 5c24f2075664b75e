import { hash, randomInt } from "node:crypto";

/** A key that nobody has, and everything by which it could be known again. */
export interface Canary {
  readonly key: string;
  /** Its last eight characters, as some programs show them. */
  readonly tail: string;
  /** Names the traces of the key in a text or in bytes; none where there are none. */
  readonly tracesIn: (found: string | Uint8Array) => string[];
}

// No text, name or digest of ours has runs of these; and a dot is in no base64 and no hexadecimal number.
const LETTERS = "jkqvwxz";
const GROUPS = 6;
const WINDOW = 8;
const TAIL = 4;
const DIGITS = 8;
const ALGORITHMS = ["sha256", "sha1", "md5"] as const;

/** Makes a canary. Each 8 characters of its own hold a dot, and so do its last 4. */
export function canary(): Canary {
  const own = Array.from({ length: GROUPS }, () => `${letters(4)}.`).join("") + letters(1);
  const key = `sk-nano-test-${own}`;
  const signs = [...inAnyCase(key, own), ...encodings(key), ...digests(key)];
  return {
    key,
    tail: key.slice(-8),
    tracesIn(found) {
      const texts = typeof found === "string" ? [found] : textsOf(found);
      const isText = typeof found === "string";
      return signs
        .filter(({ sign, inText = sign }) => texts.some((text) => (isText ? inText : sign).test(text)))
        .map(({ trace }) => trace);
    },
  };
}

interface Sign {
  readonly trace: string;
  readonly sign: RegExp;
  /** In its place for a text, which may hold the compressed body of an answer. */
  readonly inText?: RegExp;
}

// In ten megabytes of compressed bodies four given characters are found by chance; beside others that can be read, hardly.
const beside = (sign: string): RegExp =>
  new RegExp(`(?:^${READABLE}{0,3}|${READABLE}{4})${sign}|${sign}(?:${READABLE}{4}|${READABLE}{0,3}$)`, "i");
const READABLE = "[\\t\\r\\n\\x20-\\x7e]";

function letters(count: number): string {
  return Array.from({ length: count }, () => LETTERS[randomInt(LETTERS.length)]).join("");
}

function inAnyCase(key: string, own: string): Sign[] {
  const windows = Array.from({ length: own.length - WINDOW + 1 }, (_, at) => own.slice(at, at + WINDOW));
  return [
    { trace: "key", sign: anyCase(key) },
    { trace: "reversed", sign: anyCase(reversed(own)) },
    { trace: "window", sign: new RegExp(windows.map(literal).join("|"), "i") },
    { trace: "tail", sign: anyCase(own.slice(-TAIL)), inText: beside(literal(own.slice(-TAIL))) },
  ];
}

function encodings(key: string): Sign[] {
  const bytes = [...Buffer.from(key)];
  const each = (write: (hex: string) => string) => bytes.map((byte) => write(byte.toString(16))).join("");
  const signs = [
    { trace: "hex", sign: anyCase(Buffer.from(key).toString("hex")) },
    { trace: "percent-encoded", sign: anyCase(each((hex) => `%${hex}`)) },
    { trace: "JSON-escaped", sign: anyCase(each((hex) => `\\u00${hex}`)) },
  ];
  for (const [shift, pad] of ["", "x", "xx"].entries()) {
    // At its ends a base64 digit also says something of the neighbours: those are left out.
    const whole = Buffer.from(pad + key).toString("base64");
    const sure = whole.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + key.length) * 8) / 6));
    const sign = new RegExp(`${literal(sure)}|${literal(urlSafe(sure))}`);
    signs.push({ trace: `base64 at ${shift}`, sign });
  }
  return signs;
}

function digests(key: string): Sign[] {
  return ALGORITHMS.flatMap((algorithm) => {
    const digest = hash(algorithm, key, "buffer");
    const base64 = digest.toString("base64").slice(0, 2 * DIGITS);
    return [
      // Its first digits, as a name for a caller would be made of them.
      { trace: algorithm, sign: new RegExp(`(?<![0-9a-f])${digest.toString("hex", 0, DIGITS / 2)}`, "i") },
      { trace: `${algorithm} in base64`, sign: new RegExp(`${literal(base64)}|${literal(urlSafe(base64))}`) },
    ];
  });
}

// Memory holds strings of one byte and of two bytes a character, the latter at any address.
function textsOf(bytes: Uint8Array): string[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return [buffer.toString("latin1"), utf16(buffer), utf16(buffer.subarray(1))];
}

const reversed = (text: string): string => text.split("").toReversed().join("");
const urlSafe = (base64: string): string => base64.replaceAll("+", "-").replaceAll("/", "_");
const literal = (text: string): string => text.replaceAll(/[$()*+.?[\\\]^{|}]/g, "\\$&");
const anyCase = (text: string): RegExp => new RegExp(literal(text), "i");

/** Reads bytes as UTF-16. Copied first, and made even: of an odd number of unaligned ones Node 24 writes one too many. */
export function utf16(bytes: Buffer): string {
  return Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % 2))).toString("utf16le");
}
