import type { Fault } from "../nanogpt/nanogpt.ts";
import type { FaultRow, GroupName } from "./table.ts";

const LIST = '{"object":"list","data":[{"id":"not-for-you"}]}';
const NO = '{"error":{"message":"No.","code":"own_code"}}';
const PAGE = "<!DOCTYPE html><html><body>Blocked</body></html>";
const ELSEWHERE = "https://elsewhere.invalid/models";

/** A row for each status, which replaces `%` in the name. */
function each(
  group: GroupName,
  statuses: readonly number[],
  name: string,
  { code, within, ...more }: Partial<Extract<Fault, { kind: "status" }>> & Pick<FaultRow, "code" | "within"> = {},
): FaultRow[] {
  return statuses.map((number) => ({
    name: name.replace("%", String(number)),
    group,
    cause: { kind: "status", status: number, ...more },
    status: number,
    code,
    within,
  }));
}

const row = (group: GroupName, name: string, cause: Fault, status: number, code?: string | null): FaultRow => ({
  name,
  group,
  cause,
  status,
  code,
});

const NO_200 = "sends a success other than 200";
const OTHER_4XX = "says another 4xx";
const NOT_NOW = "says 408, 425 or 429";
const OTHER_5XX = "says another 5xx";

const REDIRECTS = [300, 301, 302, 303, 305, 307, 308];
const OTHER_ERRORS = [400, 402, 403, 404, 405, 406, 409, 410, 418, 422, 426, 428, 431, 451, 499];
const SERVER_ERRORS = [500, 501, 502, 504, 505, 511, 520, 521, 522, 523, 524, 525, 526, 527, 530, 599, 600, 999];

const HTML = { body: PAGE, contentType: "text/html" };
const CUT = { body: NO, end: "cut" } as const;
const SILENT = { body: NO, end: "hang" } as const;
// Keylane waits for the text of an error, but only for a quarter of LIST_TIMEOUT.
const WAITING = { ...SILENT, code: "own_code", within: "a quarter of LIST_TIMEOUT" } as const;
const bodiless = (status: number): Fault => ({
  kind: "raw",
  head: [`HTTP/1.1 ${status} Odd`, "Connection: close"],
  body: "",
});
const endless = (status: number): Fault => ({ kind: "endless", part: "body", status });
const bomb = (status: number): Fault => ({ kind: "bomb", coding: "gzip", status });

/** Faults of the status. */
export const STATUSES: readonly FaultRow[] = [
  ...each(NO_200, [201, 202, 203, 206, 207, 226, 299], "says % with a list", { body: LIST }),
  ...each(NO_200, [204, 205, 304], "says %"),
  ...each(NO_200, [202], "says % and is silent", SILENT),

  ...each("redirects", REDIRECTS, "says % to another host", { headers: { location: ELSEWHERE }, body: LIST }),
  ...each("redirects", REDIRECTS, "says % without a location"),
  ...each("redirects", [302], "says % with an invalid location", { headers: { location: "http://[" } }),
  ...each("redirects", [302], "says % and is silent", { ...SILENT, headers: { location: ELSEWHERE } }),

  ...each("says 401", [401], "says %", { body: NO, code: "own_code" }),
  ...each("says 401", [401], "says % with HTML", { ...HTML, code: null }),
  ...each("says 401", [401], "says % with a list", { body: LIST, code: null }),
  ...each("says 401", [401], "says % and breaks off", { ...CUT, code: "own_code" }),
  ...each("says 401", [401], "says % and is silent", WAITING),
  row("says 401", "says 401 with an endless body", endless(401), 401, null),

  ...each(OTHER_4XX, OTHER_ERRORS, "says %", { body: NO, code: "own_code" }),
  ...each(OTHER_4XX, [403, 404], "says % with HTML", { ...HTML, code: null }),
  ...each(OTHER_4XX, [403, 404], "says % and breaks off", { ...CUT, code: "own_code" }),
  ...each(OTHER_4XX, [403], "says % and is silent", WAITING),
  row(OTHER_4XX, "says 403 without a body", bodiless(403), 403, null),
  row(OTHER_4XX, "says 403 with an endless body", endless(403), 403, null),
  row(OTHER_4XX, "says 403 with a bomb", bomb(403), 403, null),

  ...each(NOT_NOW, [408, 425, 429], "says %", { body: NO, code: "own_code" }),
  ...each(NOT_NOW, [408, 425, 429], "says % and breaks off", { ...CUT, code: "own_code" }),
  ...each(NOT_NOW, [429], "says % and is silent", WAITING),
  row(NOT_NOW, "says 429 in its flat form", { kind: "rate-limited" }, 429, "rate_limited"),

  ...each("says 503", [503], "says %"),
  ...each("says 503", [503], "says % with a list", { body: LIST }),
  ...each("says 503", [503], "says % and is silent", SILENT),

  ...each(OTHER_5XX, SERVER_ERRORS, "says %"),
  ...each(OTHER_5XX, [500], "says % with a list", { body: LIST }),
  ...each(OTHER_5XX, [500], "says % with HTML", HTML),
  ...each(OTHER_5XX, [500], "says % and breaks off", CUT),
  ...each(OTHER_5XX, [500], "says % and is silent", SILENT),
  row(OTHER_5XX, "says 500 without a body", bodiless(500), 500),
  row(OTHER_5XX, "says 500 with an endless body", endless(500), 500),
  row(OTHER_5XX, "says 500 with a bomb", bomb(500), 500),
];
