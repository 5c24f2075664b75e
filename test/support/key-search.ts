import { hash, randomInt } from "node:crypto";

/** A random key that occurs nowhere else, and a search for its traces: whole, in part, encoded or hashed. */
export interface KeyCanary {
  readonly key: string;
  /** The last eight characters, as some programs show them. */
  readonly tail: string;
  /** The names of the traces of the key in a text or in bytes. */
  readonly tracesIn: (data: string | Uint8Array) => string[];
}

// No text or name in Keylane has a run of these letters, and base64 and hexadecimal have no dot.
const LETTERS = "jkqvwxz";
const GROUPS = 6;
const WINDOW = 8;
const TAIL = 4;
const DIGITS = 8;
const ALGORITHMS = ["sha256", "sha1", "md5"] as const;

/** Creates a canary. Any 8 consecutive characters of its random part contain a dot, as do its last 4. */
export function createCanary(): KeyCanary {
  const random = Array.from({ length: GROUPS }, () => `${letters(4)}.`).join("") + letters(1);
  const key = `sk-nano-test-${random}`;
  const traces = [...plainTraces(key, random), ...encodedTraces(key), ...digestTraces(key)];
  return {
    key,
    tail: key.slice(-8),
    tracesIn(data) {
      const isText = typeof data === "string";
      const texts = isText ? [data] : textsOf(data);
      return traces
        .filter(({ pattern, inText = pattern }) => texts.some((text) => (isText ? inText : pattern).test(text)))
        .map(({ name }) => name);
    },
  };
}

interface Trace {
  readonly name: string;
  readonly pattern: RegExp;
  /** The pattern for texts, which may contain the compressed body of a response. */
  readonly inText?: RegExp;
}

// Ten megabytes of compressed bodies contain any four characters by chance, but hardly ever next to readable text.
const besideReadable = (text: string): RegExp =>
  new RegExp(`(?:^${READABLE}{0,3}|${READABLE}{4})${text}|${text}(?:${READABLE}{4}|${READABLE}{0,3}$)`, "i");
const READABLE = "[\\t\\r\\n\\x20-\\x7e]";

function letters(count: number): string {
  return Array.from({ length: count }, () => LETTERS[randomInt(LETTERS.length)]).join("");
}

function plainTraces(key: string, random: string): Trace[] {
  const windows = Array.from({ length: random.length - WINDOW + 1 }, (_, i) => random.slice(i, i + WINDOW));
  const tail = random.slice(-TAIL);
  return [
    { name: "key", pattern: anyCase(key) },
    { name: "reversed", pattern: anyCase(reversed(random)) },
    { name: "window", pattern: new RegExp(windows.map(escaped).join("|"), "i") },
    { name: "tail", pattern: anyCase(tail), inText: besideReadable(escaped(tail)) },
  ];
}

function encodedTraces(key: string): Trace[] {
  const bytes = [...Buffer.from(key)];
  const each = (encode: (hex: string) => string) => bytes.map((byte) => encode(byte.toString(16))).join("");
  const traces = [
    { name: "hex", pattern: anyCase(Buffer.from(key).toString("hex")) },
    { name: "percent-encoded", pattern: anyCase(each((hex) => `%${hex}`)) },
    { name: "JSON-escaped", pattern: anyCase(each((hex) => `\\u00${hex}`)) },
  ];
  for (const [shift, pad] of ["", "x", "xx"].entries()) {
    // Without the base64 digits at either end that also encode adjacent bytes.
    const whole = Buffer.from(pad + key).toString("base64");
    const own = whole.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + key.length) * 8) / 6));
    traces.push({ name: `base64 at ${shift}`, pattern: eitherBase64(own) });
  }
  return traces;
}

function digestTraces(key: string): Trace[] {
  return ALGORITHMS.flatMap((algorithm) => {
    const digest = hash(algorithm, key, "buffer");
    const base64 = digest.toString("base64").slice(0, 2 * DIGITS);
    return [
      // The first digits, as a log might use them to name a client.
      { name: algorithm, pattern: new RegExp(`(?<![0-9a-f])${digest.toString("hex", 0, DIGITS / 2)}`, "i") },
      { name: `${algorithm} in base64`, pattern: eitherBase64(base64) },
    ];
  });
}

// V8 stores strings with one or two bytes per character; the latter may start at an odd offset.
function textsOf(bytes: Uint8Array): string[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return [buffer.toString("latin1"), utf16(buffer), utf16(buffer.subarray(1))];
}

const reversed = (text: string): string => text.split("").toReversed().join("");
const escaped = (text: string): string => text.replaceAll(/[$()*+.?[\\\]^{|}]/g, "\\$&");
const anyCase = (text: string): RegExp => new RegExp(escaped(text), "i");
const eitherBase64 = (base64: string): RegExp =>
  new RegExp(`${escaped(base64)}|${escaped(base64.replaceAll("+", "-").replaceAll("/", "_"))}`);

/** Decodes UTF-16LE from an even-sized copy: Node 24 writes one byte too many for odd, unaligned buffers. */
export function utf16(bytes: Buffer): string {
  return Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % 2))).toString("utf16le");
}
