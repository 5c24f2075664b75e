import { ODD_IDS } from "../nanogpt/broken-lists.ts";
import type { Fault } from "../nanogpt/nanogpt.ts";
import type { FaultRow } from "./table.ts";

const odd = (name: string, cause: Fault, ids?: FaultRow["ids"]): FaultRow => ({
  name,
  group: "sends a good list in an odd way",
  cause,
  ids,
});
const raw = (head: readonly string[], body?: string): Fault => ({ kind: "raw", head, body });
const more =
  (...ids: string[]): FaultRow["ids"] =>
  (good) => [...good, ...ids];

const OK = "HTTP/1.1 200 OK";
const JSON_TYPE = "Content-Type: application/json";
const LENGTH = "Content-Length: LENGTH";

/** Unusual answers that contain a good list. */
export const ODDITIES: readonly FaultRow[] = [
  odd("sends early hints first", { kind: "interim", statuses: [103] }),
  odd("sends a hundred interim responses first", { kind: "interim", statuses: Array<number>(100).fill(103) }),
  odd("sends 102 first", { kind: "interim", statuses: [102] }),
  { ...odd("sends 100 first", { kind: "interim", statuses: [100] }), only: "workerd" },
  odd("sends its list slowly", { kind: "drip", everyMs: 1 }),
  odd("closes a keep-alive connection", { kind: "keep-alive-close" }),
  odd("sends a second list after it", { kind: "early-second" }),
  odd("leaves out the reason phrase", raw(["HTTP/1.1 200", JSON_TYPE, LENGTH])),
  odd("sends an unusual reason phrase", raw(["HTTP/1.1 200 Tr\xe8s bien", JSON_TYPE, LENGTH])),
  odd("speaks HTTP/1.0 and ends its list by closing", raw(["HTTP/1.0 200 OK", JSON_TYPE])),
  odd("sends no content type", raw([OK, LENGTH])),
  odd("sends another content type", raw([OK, "Content-Type: text/html", LENGTH])),
  { ...odd("sends the same length twice", raw([OK, JSON_TYPE, `${LENGTH}, LENGTH`])), only: "workerd" },
  odd(
    "sends chunk extensions and trailers",
    raw(
      [OK, JSON_TYPE, "Transfer-Encoding: chunked", "Trailer: X-Trail"],
      'LENGTH16;x="y"\r\nGOOD\r\n0\r\nX-Trail: 1\r\n\r\n',
    ),
  ),
  odd("sends headers that clients must not get", {
    kind: "raw",
    head: [
      OK,
      JSON_TYPE,
      LENGTH,
      "Refresh: 0;url=http://elsewhere.invalid/",
      "Link: <http://elsewhere.invalid/>; rel=canonical",
      "Content-Location: /elsewhere",
      'Alt-Svc: h2="elsewhere.invalid:443"; ma=86400',
      "Set-Cookie: elsewhere=1",
      "Cache-Control: public, immutable, max-age=31536000",
      "Vary: *",
      "Access-Control-Allow-Origin: http://elsewhere.invalid",
      "Cache-Status: elsewhere; hit",
      "Clear-Site-Data: *",
    ],
  }),
  odd("says that its list is old, expired and not to be stored", {
    kind: "raw",
    head: [OK, JSON_TYPE, LENGTH, "Age: 86400", "Expires: 0", "Cache-Control: no-store", "Date: yesterday"],
  }),
  odd("names an unknown coding", { kind: "unknown-coding" }),
  { ...odd("gzips its list twice", { kind: "gzip-twice" }), only: "node" },
  odd("sends a byte order mark first", { kind: "bom" }),
  odd("sends two rows with one id", { kind: "duplicate-rows" }, (good) => [...good, ...good.slice(0, 1)]),
  odd("sends other values between its rows", { kind: "bad-rows" }),
  odd("sends ids that are special in JavaScript", { kind: "proto-rows" }, () => [
    "__proto__",
    "constructor",
    "toString",
  ]),
  odd("sends empty, long and broken ids", { kind: "odd-ids" }, more(...ODD_IDS)),
  odd("sends numbers that a double cannot hold", { kind: "odd-numbers" }, more("odd")),
  odd("sends every field twice", { kind: "fields-twice" }),
  odd("sends a row of a megabyte", { kind: "huge-row" }, more("padding")),
  odd("sends a row of 15 MB", { kind: "large-row" }, more("padding")),
  odd("sends a row of 100,000 fields", { kind: "wide-row" }, more("wide")),
  odd("sends a row nested as deep as allowed", { kind: "nested-row" }, more("nested")),
  odd("sends 100,000 rows", { kind: "many-rows" }, more(...Array.from({ length: 100_000 }, (_, i) => `row-${i}`))),
];
