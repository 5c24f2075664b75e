import { findRows, type Row } from "./json-rows.ts";
import { runSync, type CooperativeTask } from "../async/cooperative.ts";
import { concat } from "../async/bytes.ts";

/** A model as upstream describes it: opaque but for its id. */
export interface Model {
  readonly id: string;
  readonly [field: string]: unknown;
}

/** A list that upstream sent and that was found good. */
export interface ModelList {
  /** The JSON text as it came, UTF-8, without the rows that had to be dropped. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly models: readonly Model[];
  /** How many rows were no models. */
  readonly dropped: number;
}

/** Says why an answer is no list, in our own words: nothing of the answer is quoted. */
export class InvalidModelList extends Error {
  override readonly name = "InvalidCatalog";
}

// A model's row is a handful of objects deep; deeper JSON can only be meant to hurt.
const MAX_DEPTH = 64;
// A second mark would be part of the text.
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A decoded body that may be parsed: neither too deep nor of too many rows. */
export interface ScannedList {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly rows: readonly Row[];
}

/** Looks through a decoded body before it is parsed: the first half of its check. Throws InvalidCatalog. */
export function* scanRows(body: Uint8Array<ArrayBuffer>): CooperativeTask<ScannedList> {
  const bytes = stripBom(body);
  const rows = yield* findRows(bytes, MAX_DEPTH);
  if (typeof rows === "string") throw new InvalidModelList(rows);
  return { bytes, rows };
}

/** Checks a body, the second half: 200 is not enough, it must be a list of models. Throws InvalidCatalog. */
export function parseModelList({ bytes, rows }: ScannedList): ModelList {
  const json = parsed(bytes);
  if (!isObject(json)) throw new InvalidModelList("not a JSON object");
  const { data, error } = json;
  if (error !== undefined && error !== null) throw new InvalidModelList("an error with status 200");
  if (!Array.isArray(data)) throw new InvalidModelList("no array of models in `data`");
  const models = data.filter(isModel);
  const dropped = data.length - models.length;
  if (dropped > 0 && models.length === 0) throw new InvalidModelList("no row of `data` is a model");
  if (dropped === 0) return { bytes, models, dropped };
  const kept = rows.filter((_row, i) => isModel(data[i]));
  return { bytes: withRows(bytes, rows, kept), models, dropped };
}

/** Reads the models of a list that was checked before. */
export function modelsOf(bytes: Uint8Array): readonly Model[] {
  const json = parsed(bytes);
  return isObject(json) && Array.isArray(json["data"]) ? json["data"].filter(isModel) : [];
}

/** Gives the bytes of one model of a checked list, as they came; undefined where no row has exactly this id. */
export function modelBytes(bytes: Uint8Array<ArrayBuffer>, id: string): Uint8Array<ArrayBuffer> | undefined {
  const index = modelsOf(bytes).findIndex((model) => model.id === id);
  const rows = runSync(findRows(bytes, MAX_DEPTH));
  const row = typeof rows === "string" ? undefined : rows[index];
  return row === undefined ? undefined : bytes.slice(row.start, row.end);
}

function withRows(bytes: Uint8Array, rows: readonly Row[], kept: readonly Row[]): Uint8Array<ArrayBuffer> {
  const parts = [bytes.subarray(0, rows[0]?.start)];
  for (const [i, row] of kept.entries()) {
    if (i > 0) parts.push(COMMA);
    parts.push(bytes.subarray(row.start, row.end));
  }
  parts.push(bytes.subarray(rows.at(-1)?.end));
  return concat(parts);
}

const COMMA = new TextEncoder().encode(",");

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(strictUtf8.decode(bytes));
  } catch {
    throw new InvalidModelList("not JSON");
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isModel(value: unknown): value is Model {
  return isObject(value) && typeof value["id"] === "string";
}

// The byte order mark is no part of JSON (RFC 8259 §8.1), and callers' parsers stumble over it.
function stripBom(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}
