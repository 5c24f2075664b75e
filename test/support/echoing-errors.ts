const ERROR = '{"error":{"message":"No KEY. Key: KEY","type":"KEY","param":"KEY","code":"KEY"}}';
const STATUSES = [400, 401, 402, 403, 404, 408, 409, 422, 425, 429, 451, 500, 502, 503, 504, 520];

const FIELDS = [
  "Content-Type: KEY; charset=KEY",
  "Retry-After: KEY",
  "WWW-Authenticate: Bearer realm=KEY",
  "Set-Cookie: KEY=KEY",
  "X-Request-Id: KEY",
  'ETag: "KEY"',
  "Cache-Control: KEY",
  "Vary: KEY",
  "Server: KEY",
  "Link: <https://KEY/KEY>; rel=KEY",
  "KEY: KEY",
  "",
].join("\n");

/** Answers of upstream's that hold the key they were asked with, `KEY`, where only an upstream could put it. */
export const QUOTATIONS: readonly (readonly [string, string])[] = [
  ...STATUSES.map(
    (status) => [`${status} in all fields of its error`, close(`${status} KEY`, "", ERROR)] as const,
  ),
  ...[200, 400, 429, 503].flatMap((status): [string, string][] => [
    [`${status} in a flat error`, close(`${status} KEY`, "", '{"code":"KEY","message":"KEY","type":"KEY"}')],
    [`${status} in an error that is a text`, close(`${status} KEY`, "", '{"error":"KEY KEY"}')],
    [`${status} in escapes`, close(`${status} KEY`, "", String.raw`{"error":"\u0041KEY\/\"KEY"}`)],
    [`${status} in a page`, close(`${status} KEY`, "", "<!doctype html><title>KEY</title>KEY")],
    [`${status} in JSON that breaks`, close(`${status} KEY`, "", '{"data": KEY')],
    [
      `${status} in rows that are no models`,
      close(`${status} OK`, "", '{"data":["KEY",{"KEY":1},{"id":1}]}'),
    ],
    [`${status} in its fields`, close(`${status} OK`, FIELDS, "{}")],
    [`${status} in a coding`, close(`${status} OK`, "Content-Encoding: KEY\n", "{}")],
    [`${status} beyond a long text`, close(`${status} OK`, "", `{"error":"${"x".repeat(980)}KEY KEY"}`)],
  ]),
  ...[301, 302, 303, 307, 308].map(
    (status) =>
      [
        `${status} in its Location`,
        close(`${status} Found`, "Location: https://KEY/KEY?KEY\n", "KEY"),
      ] as const,
  ),
  ["chunk extensions", `HTTP/1.1 403 No\nTransfer-Encoding: chunked\n\n2;KEY=KEY\n{}\n0\n\n`],
  ["trailers", `HTTP/1.1 403 No\nTransfer-Encoding: chunked\n\n2\n{}\n0\nKEY: KEY\n\n`],
  ["a chunk size", `HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\nKEY\n{}\n0\n\n`],
  ["a length", `HTTP/1.1 200 OK\nContent-Length: KEY\n\n{}`],
  ["a malformed field", `HTTP/1.1 200 OK\nKEY KEY\n\n{}`],
  ["a status line", `HTTP/1.1 KEY\n\n{}`],
  ["no HTTP at all", `KEY KEY KEY\n\n`],
  ["too many fields", `HTTP/1.1 200 OK\n${"X-KEY: KEY\n".repeat(400)}\n{}`],
  ["an interim answer", `HTTP/1.1 103 KEY\nLink: <KEY>\n\n${close("403 KEY", "", ERROR)}`],
  ["a switch of protocols", `HTTP/1.1 101 KEY\nConnection: upgrade\nUpgrade: KEY\n\nKEY`],
];

function close(start: string, fields: string, body: string): string {
  return `HTTP/1.1 ${start}\n${fields}Connection: close\n\n${body}`;
}
