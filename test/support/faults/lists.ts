import type { Fault } from "../nanogpt/nanogpt.ts";
import type { FaultRow, GroupName } from "./table.ts";

const group =
  (group: GroupName) =>
  (name: string, cause: Fault): FaultRow => ({ name, group, cause });
const coded = group("encodes its answer wrongly");
const tooMuch = group("sends too much");
const noList = group("sends what is no model list");

const json = (body: string): Fault => ({
  kind: "status",
  status: 200,
  body,
  contentType: "application/json",
});

/** Answers with status 200 that are not a good list. */
export const LISTS: readonly FaultRow[] = [
  coded("labels plain JSON as gzip", { kind: "bad-gzip" }),
  coded("sends half of a gzip stream", { kind: "cut-gzip" }),
  coded("sends bytes after its gzip stream", { kind: "gzip-and-more" }),
  { ...coded("gzips its list twice, which Workers do not decode", { kind: "gzip-twice" }), only: "workerd" },
  coded("labels gzip as brotli", { kind: "wrong-coding" }),

  tooMuch("sends more than LIST_MAX_SIZE", { kind: "too-large" }),
  tooMuch("sends an endless body", { kind: "endless", part: "body" }),
  tooMuch("sends 65 kB of gzip that decode to 64 MB", { kind: "gzip-bomb" }),
  tooMuch("sends a brotli bomb", { kind: "bomb", coding: "br" }),
  tooMuch("sends a bomb gzipped twice", { kind: "bomb", coding: "gzip, gzip" }),
  tooMuch("sends 100,000 nested arrays", { kind: "deep-json" }),
  tooMuch(
    "sends a row nested one level too deep",
    json(`{"data":[{"id":"deep","n":${"[".repeat(62)}${"]".repeat(62)}}]}`),
  ),

  noList("sends HTML", { kind: "html" }),
  noList("labels HTML as JSON", { kind: "html-as-json" }),
  noList("sends an error with status 200", { kind: "error-200" }),
  noList("sends an error with rows", json('{"error":"no","data":[{"id":"a"}]}')),
  noList("sends nothing", json("")),
  noList("sends whitespace", json("  \n")),
  noList("sends null", json("null")),
  noList("sends a number", json("1")),
  noList("sends no data", json('{"object":"list"}')),
  noList("sends null for data", json('{"object":"list","data":null}')),
  noList("sends an object for data", { kind: "not-a-list" }),
  noList("sends data twice, an object last", json('{"data":[{"id":"a"}],"data":{}}')),
  noList("sends rows without a model", json('{"data":[1,{},{"id":5}]}')),
  noList("sends an array", { kind: "array" }),
  noList("sends half of a JSON text", { kind: "bad-json" }),
  noList("sends two lists in one body", json('{"data":[{"id":"a"}]}{"data":[{"id":"b"}]}')),
  noList("sends JSON with a trailing comma", json('{"data":[{"id":"a"},]}')),
  noList("sends JSON with a comment", json('{"data":[{"id":"a"}]}//')),
  noList("sends NaN", json('{"data":[{"id":"a","n":NaN}]}')),
  noList("sends a NUL after its JSON", { kind: "nul" }),
  noList("sends a line break inside a string", json('{"data":[{"id":"a\nb"}]}')),
  noList("sends UTF-16", { kind: "utf-16" }),
  noList("sends Latin-1", { kind: "latin-1" }),
  noList("sends two byte order marks", json('\uFEFF\uFEFF{"data":[{"id":"a"}]}')),
  noList("sends a name of a megabyte and 20,000 colons", json(`{"${"x".repeat(2 ** 20)}"${":".repeat(20_000)}`)),
  noList("sends 100,000 invalid names", json(`{${'"\\x":1,'.repeat(100_000)}"data":[]}`)),
  noList("sends a million empty rows", json(`{"data":[${" ,".repeat(1_000_000)}]}`)),
  noList("sends an event stream", json('data: {"data":[{"id":"a"}]}\n\n')),
];
