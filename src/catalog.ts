/** A model as upstream describes it: opaque but for its id. */
export interface Model {
  readonly id: string;
  readonly [field: string]: unknown;
}

/** A list that upstream sent and that was found good. */
export interface Catalog {
  /** The JSON text as it came, UTF-8; written anew only where rows had to be dropped. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly models: readonly Model[];
  /** How many rows were no models. */
  readonly dropped: number;
}

/** Says why an answer is no list, in our own words: nothing of the answer is quoted. */
export class InvalidCatalog extends Error {
  override readonly name = "InvalidCatalog";
}

// A model's row is a handful of objects deep; deeper JSON can only be meant to hurt.
const MAX_DEPTH = 64;
const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

/** Checks a decoded body (contract, section 5). Throws InvalidCatalog. */
export function checkCatalog(bytes: Uint8Array<ArrayBuffer>): Catalog {
  if (isDeeperThan(MAX_DEPTH, bytes)) throw new InvalidCatalog("nested too deep");
  const body = parsed(bytes);
  if (!isObject(body)) throw new InvalidCatalog("not a JSON object");
  if (body["error"] !== undefined && body["error"] !== null)
    throw new InvalidCatalog("an error with status 200");
  const { data } = body;
  if (!Array.isArray(data)) throw new InvalidCatalog("no array of models in `data`");
  const models = data.filter(isModel);
  const dropped = data.length - models.length;
  if (dropped > 0 && models.length === 0) throw new InvalidCatalog("no row of `data` is a model");
  const kept =
    dropped === 0 ? withoutMark(bytes) : new TextEncoder().encode(JSON.stringify({ ...body, data: models }));
  return { bytes: kept, models, dropped };
}

/** Reads the models of a list that was checked before. */
export function modelsOf(bytes: Uint8Array): readonly Model[] {
  const body = parsed(bytes);
  return isObject(body) && Array.isArray(body["data"]) ? body["data"].filter(isModel) : [];
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(strictUtf8.decode(bytes));
  } catch {
    throw new InvalidCatalog("not JSON");
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isModel(value: unknown): value is Model {
  return isObject(value) && typeof value["id"] === "string";
}

// The byte order mark is no part of JSON (RFC 8259 §8.1), and callers' parsers stumble over it.
function withoutMark(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}

const [QUOTE, BACKSLASH, OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [
  0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d,
];

// On the bytes and before parsing: JSON.parse would build it all, and whatever walks it then would overflow the stack.
function isDeeperThan(most: number, bytes: Uint8Array): boolean {
  let depth = 0;
  let isInString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (isInString) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) isInString = false;
    } else if (byte === QUOTE) isInString = true;
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      if (++depth > most) return true;
    } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth--;
  }
  return false;
}
