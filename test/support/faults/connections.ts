import type { Fault } from "../nanogpt/nanogpt.ts";
import type { FaultRow, GroupName } from "./table.ts";

const group =
  (group: GroupName) =>
  (name: string, cause: FaultRow["cause"], more: Partial<FaultRow> = {}): FaultRow => ({
    name,
    group,
    cause,
    ...more,
  });
const unreachable = group("cannot be reached");
const gone = group("closes or resets before its answer");
const slow = group("is silent or too slow");
const cut = group("breaks off its answer");
const noHttp = group("does not speak HTTP");

type After = "close" | "reset" | "stay";
const raw = (head: readonly string[], body?: string, after?: After): Fault => ({
  kind: "raw",
  head,
  body,
  after,
});

const OK = "HTTP/1.1 200 OK";
const JSON_TYPE = "Content-Type: application/json";
const CHUNKED = "Transfer-Encoding: chunked";
const LENGTH = "Content-Length: LENGTH";
const CHUNKS = "LENGTH16\r\nGOOD\r\n0\r\n\r\n";
const UPGRADE = raw(["HTTP/1.1 101 Switching", "Upgrade: x", "Connection: upgrade"]);
const ON_NODE = { only: "node" } as const;

/** Faults of the connection and of HTTP. */
export const CONNECTIONS: readonly FaultRow[] = [
  unreachable("refuses connections", "refuse"),

  gone("closes before its answer", { kind: "close-before-headers" }),
  gone("resets before its answer", { kind: "reset-before-headers" }),

  slow("is silent", { kind: "hang-before-headers" }),
  slow("is silent inside its body", { kind: "hang-mid-body" }),
  slow("sends its list too slowly", { kind: "drip", bytes: 1, everyMs: 100 }),
  slow("sends headers one by one forever", { kind: "endless", part: "headers", everyMs: 50 }),
  slow("sends interim responses one by one forever", {
    kind: "endless",
    part: "interim answers",
    everyMs: 50,
  }),
  slow("sends spaces after its list forever", { kind: "endless", part: "body", everyMs: 50 }),
  slow("is silent inside a chunk size", raw([OK, JSON_TYPE, CHUNKED], "4", "stay")),
  slow("is silent before the last chunk", raw([OK, JSON_TYPE, CHUNKED], "2\r\n{}\r\n", "stay")),

  cut("breaks off before the end of its length", { kind: "cut-with-length" }),
  cut("breaks off between chunks", { kind: "cut-chunked" }),
  cut("breaks off between chunks on a closing connection", { kind: "cut-close-chunked" }),
  cut("breaks off inside a chunk size", raw([OK, JSON_TYPE, CHUNKED], "2\r\n{}\r\n10")),
  cut("breaks off inside a chunk", raw([OK, JSON_TYPE, CHUNKED], "ffff\r\nGOOD")),
  cut("breaks off before the last chunk", raw([OK, JSON_TYPE, CHUNKED], "LENGTH16\r\nGOOD\r\n")),
  cut("breaks off gzip between chunks", { kind: "cut-gzip-chunked" }),
  cut("resets inside its body", { kind: "reset-after-headers" }),
  cut(
    "resets after a whole list, before the last chunk",
    raw([OK, JSON_TYPE, CHUNKED], "LENGTH16\r\nGOOD\r\n", "reset"),
  ),
  cut("resets before the last byte", raw([OK, JSON_TYPE, "Content-Length: 100000"], "GOOD", "reset")),
  cut("sends more than its length", { kind: "wrong-length-short" }),
  cut("sends an invalid chunk size", raw([OK, JSON_TYPE, CHUNKED], "xyz\r\nGOOD\r\n0\r\n\r\n")),
  cut("sends a negative chunk size", raw([OK, JSON_TYPE, CHUNKED], "-2\r\nGOOD\r\n0\r\n\r\n")),

  noHttp("sends bytes that are not HTTP", { kind: "garbage" }),
  noHttp("sends its list without a head", raw([], "GOOD")),
  noHttp("sends a status of two digits", raw(["HTTP/1.1 99 Odd", JSON_TYPE, LENGTH])),
  noHttp("sends a status of four digits", raw(["HTTP/1.1 1000 Odd", JSON_TYPE, LENGTH])),
  noHttp("sends a status of letters", raw(["HTTP/1.1 abc Odd", JSON_TYPE, LENGTH])),
  noHttp("sends two lengths", raw([OK, JSON_TYPE, LENGTH, "Content-Length: 2"])),
  noHttp("sends a negative length", raw([OK, JSON_TYPE, "Content-Length: -2"])),
  noHttp("sends an invalid length", raw([OK, JSON_TYPE, "Content-Length: two"])),
  noHttp("sends a header line without a colon", raw([OK, "no colon", LENGTH])),
  noHttp("sends a NUL in a header", raw([OK, "X-Nul: \0", LENGTH])),
  noHttp("sends a header of a megabyte", { kind: "header-bomb", count: 1, bytes: 2 ** 20 }),
  noHttp("sends headers forever", { kind: "endless", part: "headers" }),
  // Runtimes may differ: RFC 9112 §6.3 leaves the first to the client, and RFC 9110 §5.4 sets no limit to headers.
  noHttp("sends a length and chunks", raw([OK, JSON_TYPE, LENGTH, CHUNKED], CHUNKS), ON_NODE),
  noHttp("sends 100 kB of headers", { kind: "header-bomb" }, ON_NODE),
  noHttp("sends 10,000 headers", { kind: "header-bomb", count: 10_000, bytes: 10_000 }, ON_NODE),
  noHttp("sends 100 first", { kind: "interim", statuses: [100] }, ON_NODE),
  noHttp("sends the same length twice", raw([OK, JSON_TYPE, `${LENGTH}, LENGTH`]), ON_NODE),
  noHttp("switches protocols without a request to", UPGRADE, ON_NODE),
  noHttp("switches protocols", UPGRADE, { only: "workerd", code: "upstream_invalid_response" }),
];
