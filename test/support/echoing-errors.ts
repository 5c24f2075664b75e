const ERROR = '{"error":{"message":"No KEY. Key: KEY","type":"KEY","param":"KEY","code":"KEY"}}';
const STATUSES = [400, 401, 402, 403, 404, 408, 409, 422, 425, 429, 451, 500, 502, 503, 504, 520];

const HEADERS = [
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

/** [name, raw response] of upstream responses that quote the client's key, `KEY`, wherever an upstream could. */
export const ECHOING_ERRORS: readonly (readonly [string, string])[] = [
  ...STATUSES.map((status) => [`${status} in all members of the error`, reply(`${status} KEY`, "", ERROR)] as const),
  ...[200, 400, 429, 503].flatMap((status): [string, string][] => [
    [`${status} in a flat error`, reply(`${status} KEY`, "", '{"code":"KEY","message":"KEY","type":"KEY"}')],
    [`${status} in an error that is a string`, reply(`${status} KEY`, "", '{"error":"KEY KEY"}')],
    [`${status} in JSON escapes`, reply(`${status} KEY`, "", String.raw`{"error":"\u0041KEY\/\"KEY"}`)],
    [`${status} in an HTML page`, reply(`${status} KEY`, "", "<!doctype html><title>KEY</title>KEY")],
    [`${status} in truncated JSON`, reply(`${status} KEY`, "", '{"data": KEY')],
    [`${status} in rows that are not models`, reply(`${status} OK`, "", '{"data":["KEY",{"KEY":1},{"id":1}]}')],
    [`${status} in its headers`, reply(`${status} OK`, HEADERS, "{}")],
    [`${status} in Content-Encoding`, reply(`${status} OK`, "Content-Encoding: KEY\n", "{}")],
    [`${status} after a long text`, reply(`${status} OK`, "", `{"error":"${"x".repeat(980)}KEY KEY"}`)],
  ]),
  ...[301, 302, 303, 307, 308].map(
    (status) =>
      [`${status} in its Location`, reply(`${status} Found`, "Location: https://KEY/KEY?KEY\n", "KEY")] as const,
  ),
  ["chunk extensions", `HTTP/1.1 403 No\nTransfer-Encoding: chunked\n\n2;KEY=KEY\n{}\n0\n\n`],
  ["trailers", `HTTP/1.1 403 No\nTransfer-Encoding: chunked\n\n2\n{}\n0\nKEY: KEY\n\n`],
  ["a chunk size", `HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\nKEY\n{}\n0\n\n`],
  ["a length", `HTTP/1.1 200 OK\nContent-Length: KEY\n\n{}`],
  ["a malformed header", `HTTP/1.1 200 OK\nKEY KEY\n\n{}`],
  ["a status line", `HTTP/1.1 KEY\n\n{}`],
  ["a response that is not HTTP", `KEY KEY KEY\n\n`],
  ["too many headers", `HTTP/1.1 200 OK\n${"X-KEY: KEY\n".repeat(400)}\n{}`],
  ["an interim response", `HTTP/1.1 103 KEY\nLink: <KEY>\n\n${reply("403 KEY", "", ERROR)}`],
  ["a switch of protocols", `HTTP/1.1 101 KEY\nConnection: upgrade\nUpgrade: KEY\n\nKEY`],
];

function reply(statusLine: string, headers: string, body: string): string {
  return `HTTP/1.1 ${statusLine}\n${headers}Connection: close\n\n${body}`;
}
