import { jsonText, send } from "./answer.ts";
import type { Breakage } from "./breakage.ts";

/** Faults of the JSON body, in correct coding and framing. */
export type ListFault =
  | "html"
  /** HTML under `application/json`. */
  | "html-as-json"
  /** An error envelope under status 200. */
  | "error-200"
  /** JSON cut in half. */
  | "bad-json"
  /** `data` is an object. */
  | "not-a-list"
  /** The rows as a bare array. */
  | "array"
  /** A good row that holds 100,000 nested arrays. */
  | "deep-json"
  /** Rows with keys and ids that are special in JavaScript. */
  | "proto-rows"
  /** The first row twice, with different names. */
  | "duplicate-rows"
  /** A good list with one more row, of 1 MB. */
  | "huge-row"
  /** Good rows mixed with values that are not objects or have no string id. */
  | "bad-rows"
  /** A list without rows. */
  | "empty"
  /** A good list after a byte order mark. */
  | "bom"
  /** A good list with 100,000 more rows. */
  | "many-rows"
  /** A good list with one more row, of 15 MB. */
  | "large-row"
  /** A good list with one more row, of 100,000 fields. */
  | "wide-row"
  /** A good list with one more row, nested about as deep as allowed. */
  | "nested-row"
  /** A good list with the rows of `ODD_IDS`. */
  | "odd-ids"
  /** A good list with numbers that a double cannot hold. */
  | "odd-numbers"
  /** Every field twice, the good one last. */
  | "fields-twice"
  | "utf-16"
  | "latin-1"
  | "nul";

/** Implementations of the list faults. */
export const brokenLists: Readonly<Record<ListFault, Breakage>> = {
  html(exchange) {
    send(exchange, { status: 200, headers: { "content-type": "text/html; charset=utf-8" }, body: PAGE });
  },
  "html-as-json": withBody(() => PAGE),
  "error-200": withBody(() => '{"error":{"message":"Something went wrong","type":"server_error","code":null}}'),
  "bad-json": withBody((good) => good.slice(0, Math.ceil(good.length / 2))),
  "not-a-list": withBody(() => '{"object":"list","data":{}}'),
  array: withBody((good) => JSON.stringify(rowsOf(good))),
  "deep-json": withBody(() => `{"object":"list","data":[{"id":"deep","object":"model","nested":${DEEP}}]}`),
  "proto-rows": withBody(() => `{"object":"list","data":[${PROTO_ROWS.join(",")}]}`),
  "duplicate-rows": withBody((good) => {
    const [first, ...rest] = rowsOf(good);
    return list([{ ...first, name: "the first" }, ...rest, { ...first, name: "the second" }]);
  }),
  "huge-row": withBody((good) => paddedList(good, 1024 * 1024)),
  "bad-rows": withBody((good) => {
    const bad = [null, 5, "a model", [], {}, { id: 5 }, { id: null, object: "model" }, true];
    return list(rowsOf(good).flatMap((row, index) => (index < bad.length ? [bad[index], row] : [row])));
  }),
  empty: withBody(() => list([])),
  bom: withBody((good) => `\uFEFF${good}`),
  "many-rows": withBody((good) =>
    withRows(
      good,
      Array.from({ length: 100_000 }, (_, i) => `{"id":"row-${i}"}`),
    ),
  ),
  "large-row": withBody((good) => paddedList(good, 15 * 1024 * 1024)),
  "wide-row": withBody((good) => withRows(good, [`{"id":"wide",${WIDE}}`])),
  "nested-row": withBody((good) => withRows(good, [`{"id":"nested","nested":${"[".repeat(60)}${"]".repeat(60)}}`])),
  "odd-ids": withBody((good) =>
    withRows(
      good,
      ODD_IDS.map((id) => JSON.stringify({ id })),
    ),
  ),
  "odd-numbers": withBody((good) => withRows(good, [`{"id":"odd","huge":1e999,"long":${"9".repeat(5000)},"zero":-0}`])),
  "fields-twice": withBody((good) => `{"data":[{"id":"first"}],"object":1,${good.slice(1)}`),
  "utf-16": withBody((good) => Buffer.from(`\uFEFF${good}`, "utf16le")),
  "latin-1": withBody((good) => Buffer.from(withRows(good, ['{"id":"caf\u00e9"}']), "latin1")),
  nul: withBody((good) => `${good}\0`),
};

/** A good list with one more row, whose description has this many bytes. */
export function paddedList(good: string, bytes: number): string {
  const row = { id: "padding", object: "model", created: 1_780_000_000, owned_by: "standin" };
  return list([...rowsOf(good), { ...row, description: "x".repeat(bytes) }]);
}

function withRows(good: string, more: readonly string[]): string {
  const rows = [...rowsOf(good).map((row) => JSON.stringify(row)), ...more];
  return `{"object":"list","data":[${rows.join(",")}]}`;
}

function withBody(body: (good: string) => string | Buffer): Breakage {
  return (exchange, good) => send(exchange, jsonText(body(good)));
}

function rowsOf(good: string): Record<string, unknown>[] {
  const { data = [] }: { data?: Record<string, unknown>[] } = JSON.parse(good);
  return data;
}

function list(data: readonly unknown[]): string {
  return JSON.stringify({ object: "list", data });
}

/** Valid but unusual ids: empty, long, multi-line, NUL, a lone surrogate, percent-encoded. */
export const ODD_IDS: readonly string[] = ["", "x".repeat(10_000), "two\nlines", "\0", "half \ud83d", "%2F%00"];

const WIDE = Array.from({ length: 100_000 }, (_, index) => `"field-${index}":${index}`).join(",");
const PAGE = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>\n";
const DEEP = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
// Text, since `__proto__` in an object literal sets the prototype instead of a key.
const PROTO_ROWS = [
  '{"id":"__proto__","object":"model","created":1,"owned_by":"standin","__proto__":{"polluted":true}}',
  '{"id":"constructor","object":"model","created":1,"owned_by":"standin","constructor":{"prototype":{"polluted":true}}}',
  '{"id":"toString","object":"model","created":1,"owned_by":"standin","hasOwnProperty":false}',
  '{"__proto__":{"id":"inherited","object":"model","created":1,"owned_by":"standin"}}',
];
