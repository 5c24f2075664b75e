import { setTimeout as sleep } from "node:timers/promises";
import { connection } from "./connection.ts";

/** A request that holds a key somewhere; `KEY` stands for it, `TAIL` for its end. Each line break goes out as CRLF. */
export interface Way {
  readonly way: string;
  readonly request: string;
  /** Whose words the answer is made of, while upstream quotes nothing: where Keylane must echo, nobody searches. */
  readonly isEcho?: boolean;
}

const BEARER = "Authorization: Bearer KEY";
const TOKEN = "Authorization: Bearer eyJhbGciOiJub25lIn0.BASE64URL.c2lnbmF0dXJl";
const get = (path: string, ...fields: string[]): string => request("GET", path, fields);
const post = (path: string, body: string, ...fields: string[]): string =>
  request("POST", path, [...fields, `Content-Length: LENGTH`], body);

function request(method: string, path: string, fields: readonly string[], body = ""): string {
  return `${[`${method} ${path} HTTP/1.1`, "Host: a", "Connection: close", ...fields].join("\n")}\n\n${body}`;
}

const MULTIPART = [
  "--KEY",
  'Content-Disposition: form-data; name="KEY"; filename="KEY"',
  "",
  "KEY",
  "--KEY--",
];

/** Every way to the list routes, good and bad: what is answered there are Keylane's own words. */
export const LIST_WAYS: readonly Way[] = [
  { way: "a bearer", request: get("/v1/models", BEARER) },
  { way: "x-api-key", request: request("HEAD", "/v1/models", ["x-api-key: KEY"]) },
  { way: "a bearer for details", request: get("/detailed/v1/models", "authorization: bEARER   KEY") },
  { way: "a model", request: get("/v1/models/openai%2Fgpt-4-turbo", BEARER) },
  { way: "a model's id", request: get("/v1/models/KEY", BEARER) },
  { way: "a query", request: get("/v1/models?api_key=KEY") },
  { way: "a bearer and a query", request: get("/v1/models?user=KEY&KEY=KEY", BEARER) },
  { way: "a page's origin", request: get("/v1/models", BEARER, "Origin: https://KEY") },
  { way: "a request id", request: get("/v1/models", BEARER, "X-Request-Id: KEY") },
  { way: "a part of a request id", request: get("/v1/models", BEARER, "X-Request-Id: req-KEY") },
  { way: "the request id alone", request: get("/v1/models", "X-Request-Id: KEY") },
  { way: "a part of the request id alone", request: get("/v1/models?key=KEY", "X-Request-Id: req-KEY") },
  { way: "its tail as the request id", request: get("/v1/models", BEARER, "X-Request-Id: TAIL") },
  { way: "another scheme", request: get("/v1/models", "Authorization: Token KEY") },
  { way: "Basic", request: get("/v1/models", "Authorization: Basic BASE64") },
  { way: "no scheme", request: get("/v1/models", "Authorization: KEY") },
  { way: "a key with a blank", request: get("/v1/models", "Authorization: Bearer KEY KEY") },
  { way: "a key twice", request: get("/v1/models", BEARER, BEARER) },
  { way: "two keys", request: get("/v1/models", BEARER, "x-api-key: KEY-2") },
  { way: "too long a key", request: get("/v1/models", `Authorization: Bearer ${"KEY".repeat(15)}`) },
  { way: "characters of no key", request: get("/v1/models", 'x-api-key: "KEY\xe9"') },
  { way: "a signed token", request: get("/v1/models", TOKEN) },
  { way: "only-if-cached", request: get("/v1/models", TOKEN, "Cache-Control: only-if-cached") },
  { way: "a purge", request: request("PURGE", "/v1/models", ["x-api-key: KEY"]) },
  { way: "a purge by DELETE", request: request("DELETE", "/v1/models?key=KEY", [BEARER, "X-KEY: KEY"]) },
  {
    way: "fields that are read",
    request: get(
      "/v1/models",
      BEARER,
      "Accept-Encoding: KEY;q=KEY, gzip",
      "Cache-Control: max-age=KEY, KEY",
      'If-None-Match: W/"KEY", KEY',
    ),
  },
  {
    way: "fields that are not",
    request: get("/v1/models", BEARER, "Cookie: KEY=KEY", "User-Agent: KEY", "Accept: KEY", "KEY: KEY"),
  },
  { way: "another method", request: request("PUT", "/v1/models?KEY", [BEARER]) },
  { way: "OPTIONS", request: request("OPTIONS", "/v1/models", [BEARER]) },
  {
    way: "a preflight",
    request: request("OPTIONS", "/v1/models", [
      "Origin: https://KEY",
      "Access-Control-Request-Method: GET",
      "Access-Control-Request-Headers: KEY, x-KEY",
    ]),
    isEcho: true,
  },
];

/** Ways to requests that Keylane refuses, wherever they were to go. */
export const REFUSED_WAYS: readonly Way[] = [
  { way: "an unknown path", request: get("/nowhere/KEY?KEY", BEARER) },
  { way: "a path with dot segments", request: get("/v1/../KEY", BEARER) },
  { way: "a path with a broken escape", request: get("/v1/%zzKEY", BEARER) },
  { way: "a path with a control", request: get("/v1/models/KEY%0d%0a", BEARER) },
  { way: "an own page", request: get("/healthz?KEY", BEARER, "X-Request-Id: req-KEY") },
  { way: "the figures", request: get("/metrics?KEY", BEARER, "x-api-key: KEY", "X-Request-Id: req-KEY") },
  { way: "TRACE", request: request("TRACE", "/v1/echo", [BEARER]) },
  { way: "an upgrade", request: get("/v1/echo?KEY", BEARER, "Connection: upgrade", "Upgrade: KEY") },
  { way: "a Host", request: get("/v1/models", BEARER).replace("Host: a", "Host: KEY") },
];

/** Ways to a call that passes through. */
export const PASSED_WAYS: readonly Way[] = [
  { way: "a call", request: get("/v1/echo", BEARER) },
  { way: "a call's path and query", request: get("/v1/echo/KEY?api_key=KEY", "x-api-key: KEY") },
  { way: "a call's body", request: post("/v1/echo", '{"key":"KEY"}', "Content-Type: application/json") },
  {
    way: "an upload",
    request: post(
      "/v1/echo",
      MULTIPART.join("\n"),
      BEARER,
      "Content-Type: multipart/form-data; boundary=KEY",
    ),
  },
  {
    way: "a stream",
    request: post(
      "/v1/chat/completions?KEY",
      '{"model":"m","stream":true,"user":"KEY","messages":[{"role":"user","content":"a b"}]}',
      BEARER,
    ),
  },
  { way: "the deletion of a model", request: request("DELETE", "/v1/models/KEY", [BEARER]) },
  {
    way: "a call's other fields",
    request: get(
      "/v1/echo",
      "Cookie: KEY=KEY",
      "Origin: https://KEY",
      "X-Request-Id: req-KEY",
      "User-Agent: KEY",
      "Accept-Encoding: KEY",
      "Cache-Control: KEY",
      'If-None-Match: "KEY"',
      "Referer: http://KEY/KEY",
      "KEY: KEY",
    ),
  },
];

/** Is the request with a key in it. */
export function written({ request: pattern }: Way, key: string): string {
  const keyed = pattern
    .replaceAll("BASE64URL", Buffer.from(JSON.stringify({ sub: key })).toString("base64url"))
    .replaceAll("BASE64", Buffer.from(`${key}:`).toString("base64"))
    .replaceAll("TAIL", key.slice(-8))
    .replaceAll("KEY", key);
  const body = keyed.slice(keyed.indexOf("\n\n") + 2).replaceAll("\n", "\r\n");
  return keyed.replace("LENGTH", String(body.length));
}

/** Says it on a connection of its own, and gives all that comes until that ends, or for a while. */
export async function said(url: string, text: string, patienceMs = 10_000): Promise<string> {
  const { say, heard, ended } = await connection(url);
  say(text);
  const patience = new AbortController();
  await Promise.race([ended, sleep(patienceMs, undefined, patience).catch(() => {})]);
  patience.abort();
  return heard();
}
