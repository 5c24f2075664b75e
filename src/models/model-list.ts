import { concat } from "../async/bytes.ts";
import { runSync, type CooperativeTask } from "../async/cooperative.ts";
import { isJsonObject } from "../http/json.ts";

/** A model as upstream describes it: only its id is known. */
export interface Model {
  readonly id: string;
  readonly [field: string]: unknown;
}

export function isModel(value: unknown): value is Model {
  return isJsonObject(value) && typeof value["id"] === "string";
}

/** The fields of a model in OpenAI's API. */
export const BASIC_FIELDS: readonly string[] = ["id", "object", "created", "owned_by"];

/** Whether a model has no other fields than the basic ones. */
export function isBasicModel(model: Model): boolean {
  return Object.keys(model).every((name) => BASIC_FIELDS.includes(name));
}

/** A valid list from upstream. */
export interface ModelList {
  /** Upstream's JSON text in UTF-8, unchanged except that invalid rows are removed. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly models: readonly Model[];
  /** No model has other fields than the basic ones. */
  readonly isBasic: boolean;
  /** How many rows were invalid. */
  readonly dropped: number;
}

/** The response is not a model list. The message is a fixed text for the log: it quotes nothing of the response. */
export class InvalidModelList extends Error {
  override readonly name = "InvalidModelList";
}

// A model is a handful of objects deep; deeper JSON can only be an attack.
const MAX_DEPTH = 64;
const MAX_ROWS = 250_000;
// Less than a millisecond of scanning, even before the JIT has compiled it.
const CHUNK_BYTES = 32 * 1024;
// `scanRows` has removed one byte order mark; a second one is part of the text.
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A body that is safe to parse: JSON neither nested too deep nor of too many rows. */
export interface ScannedList {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly rows: readonly Row[];
}

/** The position of a row in the bytes of a list: from `start` up to, not including, `end`. */
export interface Row {
  readonly start: number;
  readonly end: number;
}

/** Scans a body, content coding removed, before it is parsed. Throws InvalidModelList. */
export function* scanRows(body: Uint8Array<ArrayBuffer>): CooperativeTask<ScannedList> {
  const bytes = stripBom(body);
  const rows = yield* findRows(bytes);
  if (typeof rows === "string") throw new InvalidModelList(rows);
  return { bytes, rows };
}

/** Parses and validates a scanned body. Throws InvalidModelList. */
export function parseModelList({ bytes, rows }: ScannedList): ModelList {
  const json = parse(bytes);
  if (!isJsonObject(json)) throw new InvalidModelList("not a JSON object");
  const { data, error } = json;
  if (error !== undefined && error !== null) throw new InvalidModelList("an error with status 200");
  if (!Array.isArray(data)) throw new InvalidModelList("no array of models in `data`");
  const models = data.filter(isModel);
  const dropped = data.length - models.length;
  if (dropped > 0 && models.length === 0) throw new InvalidModelList("no row of `data` is a model");
  const valid = { models, isBasic: models.every(isBasicModel), dropped };
  if (dropped === 0) return { bytes, ...valid };
  const validRows = rows.filter((_row, i) => isModel(data[i]));
  return { bytes: withRows(bytes, rows, validRows), ...valid };
}

/** The models of a list that has been validated. */
export function modelsOf(bytes: Uint8Array): readonly Model[] {
  const json = parse(bytes);
  return isJsonObject(json) && Array.isArray(json["data"]) ? json["data"].filter(isModel) : [];
}

/** The bytes of one model of a validated list, as upstream sent them; undefined if no model has exactly this id. */
export function modelBytes(bytes: Uint8Array<ArrayBuffer>, id: string): Uint8Array<ArrayBuffer> | undefined {
  const index = modelsOf(bytes).findIndex((model) => model.id === id);
  const rows = runSync(findRows(bytes));
  const row = typeof rows === "string" ? undefined : rows[index];
  return row === undefined ? undefined : bytes.slice(row.start, row.end);
}

function withRows(bytes: Uint8Array, rows: readonly Row[], validRows: readonly Row[]): Uint8Array<ArrayBuffer> {
  const parts = [bytes.subarray(0, rows[0]?.start)];
  for (const [i, row] of validRows.entries()) {
    if (i > 0) parts.push(Uint8Array.of(COMMA));
    parts.push(bytes.subarray(row.start, row.end));
  }
  parts.push(bytes.subarray(rows.at(-1)?.end));
  return concat(parts);
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(strictUtf8.decode(bytes));
  } catch {
    throw new InvalidModelList("not JSON");
  }
}

// A byte order mark is not part of JSON (RFC 8259 §8.1), and clients' parsers fail on it.
function stripBom(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Finds the rows of `{"data":[…]}` in the bytes of a JSON text, so that a row can be served with every digit of its
 * numbers. Rejects JSON nested deeper than 64 or with more than 250,000 rows, since JSON.parse would build all of it.
 * Checks nothing else. Yields after each 32 KB, or after the string at that position.
 */
function* findRows(bytes: Uint8Array): CooperativeTask<readonly Row[] | "nested too deep" | "too many rows"> {
  let rows: Row[] = [];
  let depth = 0;
  let isInData = false;
  let name = { start: 0, end: 0 };
  let start = 0;
  let nextYield = CHUNK_BYTES;
  for (let i = 0; i < bytes.length; i++) {
    if (i >= nextYield) {
      yield;
      nextYield = i + CHUNK_BYTES;
    }
    const byte = bytes[i];
    if (byte === QUOTE) {
      const end = endOfString(bytes, i);
      if (depth === 1) name = { start: i, end };
      i = end - 1;
    } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      if (++depth > MAX_DEPTH) return "nested too deep";
      if (depth !== 2 || byte !== OPEN_ARRAY || !isDataKey(bytes, name)) continue;
      // Of two fields with one name JSON.parse takes the last.
      isInData = true;
      rows = [];
      start = i + 1;
    } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) {
      if (isInData && depth === 2) {
        push(rows, bytes, start, i);
        isInData = false;
      }
      depth--;
    } else if (byte === COMMA && isInData && depth === 2) {
      push(rows, bytes, start, i);
      if (rows.length > MAX_ROWS) return "too many rows";
      start = i + 1;
    } else if (byte === COLON && depth === 1 && isDataKey(bytes, name)) rows = [];
  }
  return rows;
}

/** The index after the closing quote. */
function endOfString(bytes: Uint8Array, start: number): number {
  for (let i = start + 1; i < bytes.length; i++) {
    if (bytes[i] === BACKSLASH) i++;
    else if (bytes[i] === QUOTE) return i + 1;
  }
  return bytes.length;
}

// Decodes no long name, since a body can consist of nothing but names, and throws for no invalid one.
function isDataKey(bytes: Uint8Array, { start, end }: Row): boolean {
  return end - start <= MAX_DATA_KEY_LENGTH && DATA_KEY.test(latin1.decode(bytes.subarray(start, end)));
}

// All ways in which JSON can write "data".
const DATA_KEY = /^"(?:d|\\u0064)(?:a|\\u0061)(?:t|\\u0074)(?:a|\\u0061)"$/;
const MAX_DATA_KEY_LENGTH = '"\\u0064\\u0061\\u0074\\u0061"'.length;
const latin1 = new TextDecoder("latin1");

// White space around a row is not part of it; an empty array has no row.
function push(rows: Row[], bytes: Uint8Array, start: number, end: number): void {
  let from = start;
  let to = end;
  while (from < to && isSpace(bytes[from])) from++;
  while (to > from && isSpace(bytes[to - 1])) to--;
  if (from < to) rows.push({ start: from, end: to });
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
