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
  | "bom";

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
};

/** Adds a row with so long a description to a good list. */
export function paddedList(good: string, bytes: number): string {
  const row = { id: "padding", object: "model", created: 1_780_000_000, owned_by: "standin" };
  return list([...rowsOf(good), { ...row, description: "x".repeat(bytes) }]);
}

function says(body: (good: string) => string): Breakage {
  return (exchange, good) => send(exchange, jsonText(body(good)));
}

function rowsOf(good: string): Record<string, unknown>[] {
  const { data = [] }: { data?: Record<string, unknown>[] } = JSON.parse(good);
  return data;
}

function list(data: readonly unknown[]): string {
  return JSON.stringify({ object: "list", data });
}

const PAGE = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>\n";
const DEEP = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
// As text: an object literal would set a prototype where JSON sets a key.
const PROTO_ROWS = [
  '{"id":"__proto__","object":"model","created":1,"owned_by":"standin","__proto__":{"polluted":true}}',
  '{"id":"constructor","object":"model","created":1,"owned_by":"standin","constructor":{"prototype":{"polluted":true}}}',
  '{"id":"toString","object":"model","created":1,"owned_by":"standin","hasOwnProperty":false}',
  '{"__proto__":{"id":"inherited","object":"model","created":1,"owned_by":"standin"}}',
];
