import type { Fault } from "../nanogpt/nanogpt.ts";
import type { FaultRow, GroupName } from "./table.ts";

const group =
  (group: GroupName) =>
  (name: string, cause: Fault): FaultRow => ({ name, group, cause });
const coded = group("encodes its answer wrongly");
const tooMuch = group("sends too much");
const noList = group("sends what is no model list");

const said = (body: string): Fault => ({
  kind: "status",
  status: 200,
  body,
  contentType: "application/json",
});

/** Answers of status 200 that are not a good list. */
export const LISTS: readonly FaultRow[] = [
  coded("sends gzip that is none", { kind: "bad-gzip" }),
  coded("sends gzip that ends in its middle", { kind: "cut-gzip" }),
  coded("sends more behind its gzip", { kind: "gzip-and-more" }),
  { ...coded("codes its list twice, which Workers do not read", { kind: "gzip-twice" }), only: "workerd" },
  coded("sends another coding than it says", { kind: "wrong-coding" }),

  tooMuch("sends more than LIST_MAX_SIZE", { kind: "too-large" }),
  tooMuch("sends a body without end", { kind: "endless", part: "body" }),
  tooMuch("sends 65 kB that unpack to 64 MB", { kind: "gzip-bomb" }),
  tooMuch("sends a brotli bomb", { kind: "bomb", coding: "br" }),
  tooMuch("sends a bomb in a bomb", { kind: "bomb", coding: "gzip, gzip" }),
  tooMuch("sends 100,000 arrays in one another", { kind: "deep-json" }),
  tooMuch(
    "sends a row that is nested one too deep",
    said(`{"data":[{"id":"deep","n":${"[".repeat(62)}${"]".repeat(62)}}]}`),
  ),

  noList("sends HTML", { kind: "html" }),
  noList("sends HTML that calls itself JSON", { kind: "html-as-json" }),
  noList("sends an error with status 200", { kind: "error-200" }),
  noList("sends an error beside rows", said('{"error":"no","data":[{"id":"a"}]}')),
  noList("sends nothing", said("")),
  noList("sends blanks", said("  \n")),
  noList("sends null", said("null")),
  noList("sends a number", said("1")),
  noList("sends no data", said('{"object":"list"}')),
  noList("sends null for data", said('{"object":"list","data":null}')),
  noList("sends an object for data", { kind: "not-a-list" }),
  noList("sends data twice, an object last", said('{"data":[{"id":"a"}],"data":{}}')),
  noList("sends rows of which none is a model", said('{"data":[1,{},{"id":5}]}')),
  noList("sends an array", { kind: "array" }),
  noList("sends JSON that stops", { kind: "bad-json" }),
  noList("sends two lists in one body", said('{"data":[{"id":"a"}]}{"data":[{"id":"b"}]}')),
  noList("sends JSON with a comma too many", said('{"data":[{"id":"a"},]}')),
  noList("sends JSON with a comment", said('{"data":[{"id":"a"}]}//')),
  noList("sends NaN", said('{"data":[{"id":"a","n":NaN}]}')),
  noList("sends JSON and a NUL", { kind: "nul" }),
  noList("sends a line break within a string", said('{"data":[{"id":"a\nb"}]}')),
  noList("sends UTF-16", { kind: "utf-16" }),
  noList("sends Latin-1", { kind: "latin-1" }),
  noList("sends two byte order marks", said('\uFEFF\uFEFF{"data":[{"id":"a"}]}')),
  noList("sends a name of a megabyte and 20,000 colons", said(`{"${"x".repeat(2 ** 20)}"${":".repeat(20_000)}`)),
  noList("sends 100,000 broken names", said(`{${'"\\x":1,'.repeat(100_000)}"data":[]}`)),
  noList("sends a million blanks for rows", said(`{"data":[${" ,".repeat(1_000_000)}]}`)),
  noList("sends events", said('data: {"data":[{"id":"a"}]}\n\n')),
];
