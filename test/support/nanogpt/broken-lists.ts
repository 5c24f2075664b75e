import { jsonText, send } from "./answer.ts";
import type { Breakage } from "./breakage.ts";

/** Faults of what the body says; coding and framing are whole in all of them. */
export type ListFault =
  | "html"
  /** HTML under `application/json`. */
  | "html-as-json"
  /** An error envelope under status 200. */
  | "error-200"
  /** JSON that stops in its middle. */
  | "bad-json"
  /** `data` is an object. */
  | "not-a-list"
  /** The rows without the object around them. */
  | "array"
  /** A good row that holds 100,000 nested arrays. */
  | "deep-json"
  /** Rows with keys and ids that have a meaning in JavaScript. */
  | "proto-rows"
  /** The first row twice, with different names. */
  | "duplicate-rows"
  /** A good list with one more row of a megabyte. */
  | "huge-row"
  /** Good rows, with others between that are no objects or have no string id. */
  | "bad-rows"
  /** A list without rows. */
  | "empty"
  /** A good list behind a byte order mark. */
  | "bom"
  /** 100,000 rows more. */
  | "many-rows"
  /** A row of 15 MB more. */
  | "large-row"
  /** A row with 100,000 fields more. */
  | "wide-row"
  /** A row that is nested as deep as a list may be, more or less. */
  | "nested-row"
  /** Ids that are empty, long, of several lines, of half a character. */
  | "odd-ids"
  /** Numbers no program can hold. */
  | "odd-numbers"
  /** Every field twice, the good one last. */
  | "fields-twice"
  | "utf-16"
  | "latin-1"
  | "nul";

/** How the body breaks, by fault. */
export const brokenLists: Readonly<Record<ListFault, Breakage>> = {
  html(exchange) {
    send(exchange, { status: 200, headers: { "content-type": "text/html; charset=utf-8" }, body: PAGE });
  },
  "html-as-json": says(() => PAGE),
  "error-200": says(() => '{"error":{"message":"Something went wrong","type":"server_error","code":null}}'),
  "bad-json": says((good) => good.slice(0, Math.ceil(good.length / 2))),
  "not-a-list": says(() => '{"object":"list","data":{}}'),
  array: says((good) => JSON.stringify(rowsOf(good))),
  "deep-json": says(() => `{"object":"list","data":[{"id":"deep","object":"model","nested":${DEEP}}]}`),
  "proto-rows": says(() => `{"object":"list","data":[${PROTO_ROWS.join(",")}]}`),
  "duplicate-rows": says((good) => {
    const [first, ...rest] = rowsOf(good);
    return list([{ ...first, name: "the first" }, ...rest, { ...first, name: "the second" }]);
  }),
  "huge-row": says((good) => paddedList(good, 1024 * 1024)),
  "bad-rows": says((good) => {
    const bad = [null, 5, "a model", [], {}, { id: 5 }, { id: null, object: "model" }, true];
    return list(rowsOf(good).flatMap((row, index) => (index < bad.length ? [bad[index], row] : [row])));
  }),
  empty: says(() => list([])),
  bom: says((good) => `\uFEFF${good}`),
  "many-rows": says((good) =>
    withRows(
      good,
      Array.from({ length: 100_000 }, (_, i) => `{"id":"row-${i}"}`),
    ),
  ),
  "large-row": says((good) => paddedList(good, 15 * 1024 * 1024)),
  "wide-row": says((good) => withRows(good, [`{"id":"wide",${WIDE}}`])),
  "nested-row": says((good) => withRows(good, [`{"id":"nested","nested":${"[".repeat(60)}${"]".repeat(60)}}`])),
  "odd-ids": says((good) =>
    withRows(
      good,
      ODD_IDS.map((id) => JSON.stringify({ id })),
    ),
  ),
  "odd-numbers": says((good) => withRows(good, [`{"id":"odd","huge":1e999,"long":${"9".repeat(5000)},"zero":-0}`])),
  "fields-twice": says((good) => `{"data":[{"id":"first"}],"object":1,${good.slice(1)}`),
  "utf-16": says((good) => Buffer.from(`\uFEFF${good}`, "utf16le")),
  "latin-1": says((good) => Buffer.from(withRows(good, ['{"id":"caf\u00e9"}']), "latin1")),
  nul: says((good) => `${good}\0`),
};

/** Adds a row with so long a description to a good list. */
export function paddedList(good: string, bytes: number): string {
  const row = { id: "padding", object: "model", created: 1_780_000_000, owned_by: "standin" };
  return list([...rowsOf(good), { ...row, description: "x".repeat(bytes) }]);
}

function withRows(good: string, more: readonly string[]): string {
  const rows = [...rowsOf(good).map((row) => JSON.stringify(row)), ...more];
  return `{"object":"list","data":[${rows.join(",")}]}`;
}

function says(body: (good: string) => string | Buffer): Breakage {
  return (exchange, good) => send(exchange, jsonText(body(good)));
}

function rowsOf(good: string): Record<string, unknown>[] {
  const { data = [] }: { data?: Record<string, unknown>[] } = JSON.parse(good);
  return data;
}

function list(data: readonly unknown[]): string {
  return JSON.stringify({ object: "list", data });
}

/** Ids that are strings, and odd. */
export const ODD_IDS: readonly string[] = ["", "x".repeat(10_000), "two\nlines", "\0", "half \ud83d", "%2F%00"];

const WIDE = Array.from({ length: 100_000 }, (_, index) => `"field-${index}":${index}`).join(",");
const PAGE = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>\n";
const DEEP = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
// As text: an object literal would set a prototype where JSON sets a key.
const PROTO_ROWS = [
  '{"id":"__proto__","object":"model","created":1,"owned_by":"standin","__proto__":{"polluted":true}}',
  '{"id":"constructor","object":"model","created":1,"owned_by":"standin","constructor":{"prototype":{"polluted":true}}}',
  '{"id":"toString","object":"model","created":1,"owned_by":"standin","hasOwnProperty":false}',
  '{"__proto__":{"id":"inherited","object":"model","created":1,"owned_by":"standin"}}',
];
