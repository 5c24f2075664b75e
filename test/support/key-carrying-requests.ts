import { setTimeout as sleep } from "node:timers/promises";
import { openConnection } from "./connection.ts";

/** A raw request with a key in it. `KEY`, `TAIL`, `BASE64` and `BASE64URL` are replaced; line breaks are sent as CRLF. */
export interface KeyRequest {
  readonly name: string;
  readonly request: string;
  /** Whether Keylane must echo the request in its response, which is then not searched. */
  readonly isEcho?: boolean;
}

const BEARER = "Authorization: Bearer KEY";
const TOKEN = "Authorization: Bearer eyJhbGciOiJub25lIn0.BASE64URL.c2lnbmF0dXJl";
const get = (path: string, ...headers: string[]): string => request("GET", path, headers);
const post = (path: string, body: string, ...headers: string[]): string =>
  request("POST", path, [...headers, `Content-Length: LENGTH`], body);

function request(method: string, path: string, headers: readonly string[], body = ""): string {
  return `${[`${method} ${path} HTTP/1.1`, "Host: a", "Connection: close", ...headers].join("\n")}\n\n${body}`;
}

const MULTIPART = ["--KEY", 'Content-Disposition: form-data; name="KEY"; filename="KEY"', "", "KEY", "--KEY--"];

/** Valid and invalid requests to list routes: Keylane itself writes the responses. */
export const LIST_REQUESTS: readonly KeyRequest[] = [
  { name: "a bearer", request: get("/v1/models", BEARER) },
  { name: "x-api-key", request: request("HEAD", "/v1/models", ["x-api-key: KEY"]) },
  {
    name: "a bearer for a detailed list",
    request: get("/detailed/v1/models", "authorization: bEARER   KEY"),
  },
  { name: "a model", request: get("/v1/models/openai%2Fgpt-4-turbo", BEARER) },
  { name: "a model's id", request: get("/v1/models/KEY", BEARER) },
  { name: "a query", request: get("/v1/models?api_key=KEY") },
  { name: "a bearer and a query", request: get("/v1/models?user=KEY&KEY=KEY", BEARER) },
  { name: "a page's origin", request: get("/v1/models", BEARER, "Origin: https://KEY") },
  { name: "a request id", request: get("/v1/models", BEARER, "X-Request-Id: KEY") },
  { name: "a part of a request id", request: get("/v1/models", BEARER, "X-Request-Id: req-KEY") },
  { name: "the request id alone", request: get("/v1/models", "X-Request-Id: KEY") },
  { name: "a part of the request id alone", request: get("/v1/models?key=KEY", "X-Request-Id: req-KEY") },
  { name: "the tail as the request id", request: get("/v1/models", BEARER, "X-Request-Id: TAIL") },
  { name: "another scheme", request: get("/v1/models", "Authorization: Token KEY") },
  { name: "Basic", request: get("/v1/models", "Authorization: Basic BASE64") },
  { name: "no scheme", request: get("/v1/models", "Authorization: KEY") },
  { name: "a key with a space", request: get("/v1/models", "Authorization: Bearer KEY KEY") },
  { name: "a key twice", request: get("/v1/models", BEARER, BEARER) },
  { name: "two keys", request: get("/v1/models", BEARER, "x-api-key: KEY-2") },
  { name: "too long a key", request: get("/v1/models", `Authorization: Bearer ${"KEY".repeat(15)}`) },
  { name: "characters that no key has", request: get("/v1/models", 'x-api-key: "KEY\xe9"') },
  { name: "a signed token", request: get("/v1/models", TOKEN) },
  { name: "only-if-cached", request: get("/v1/models", TOKEN, "Cache-Control: only-if-cached") },
  { name: "a purge", request: request("PURGE", "/v1/models", ["x-api-key: KEY"]) },
  { name: "a purge by DELETE", request: request("DELETE", "/v1/models?key=KEY", [BEARER, "X-KEY: KEY"]) },
  {
    name: "headers that Keylane reads",
    request: get(
      "/v1/models",
      BEARER,
      "Accept-Encoding: KEY;q=KEY, gzip",
      "Cache-Control: max-age=KEY, KEY",
      'If-None-Match: W/"KEY", KEY',
    ),
  },
  {
    name: "headers that Keylane ignores",
    request: get("/v1/models", BEARER, "Cookie: KEY=KEY", "User-Agent: KEY", "Accept: KEY", "KEY: KEY"),
  },
  { name: "another method", request: request("PUT", "/v1/models?KEY", [BEARER]) },
  { name: "OPTIONS", request: request("OPTIONS", "/v1/models", [BEARER]) },
  {
    name: "a preflight",
    request: request("OPTIONS", "/v1/models", [
      "Origin: https://KEY",
      "Access-Control-Request-Method: GET",
      "Access-Control-Request-Headers: KEY, x-KEY",
    ]),
    isEcho: true,
  },
];

/** Requests that Keylane rejects or answers itself, outside the list routes. */
export const REFUSED_REQUESTS: readonly KeyRequest[] = [
  { name: "an unknown path", request: get("/unknown/KEY?KEY", BEARER) },
  { name: "a path with dot segments", request: get("/v1/../KEY", BEARER) },
  { name: "a path with a broken escape", request: get("/v1/%zzKEY", BEARER) },
  { name: "a path with control characters", request: get("/v1/models/KEY%0d%0a", BEARER) },
  { name: "a probe", request: get("/healthz?KEY", BEARER, "X-Request-Id: req-KEY") },
  { name: "the metrics", request: get("/metrics?KEY", BEARER, "x-api-key: KEY", "X-Request-Id: req-KEY") },
  { name: "TRACE", request: request("TRACE", "/v1/echo", [BEARER]) },
  { name: "an upgrade", request: get("/v1/echo?KEY", BEARER, "Connection: upgrade", "Upgrade: KEY") },
  { name: "a Host", request: get("/v1/models", BEARER).replace("Host: a", "Host: KEY") },
];

/** Passthrough calls. */
export const PASSTHROUGH_REQUESTS: readonly KeyRequest[] = [
  { name: "a call", request: get("/v1/echo", BEARER) },
  { name: "a call's path and query", request: get("/v1/echo/KEY?api_key=KEY", "x-api-key: KEY") },
  { name: "a call's body", request: post("/v1/echo", '{"key":"KEY"}', "Content-Type: application/json") },
  {
    name: "an upload",
    request: post("/v1/echo", MULTIPART.join("\n"), BEARER, "Content-Type: multipart/form-data; boundary=KEY"),
  },
  {
    name: "a stream",
    request: post(
      "/v1/chat/completions?KEY",
      '{"model":"m","stream":true,"user":"KEY","messages":[{"role":"user","content":"a b"}]}',
      BEARER,
    ),
  },
  { name: "the deletion of a model", request: request("DELETE", "/v1/models/KEY", [BEARER]) },
  {
    name: "a call's other headers",
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

/** The request with `key` in place of the placeholders. */
export function serializeRequest({ request: pattern }: KeyRequest, key: string): string {
  const withKey = pattern
    .replaceAll("BASE64URL", Buffer.from(JSON.stringify({ sub: key })).toString("base64url"))
    .replaceAll("BASE64", Buffer.from(`${key}:`).toString("base64"))
    .replaceAll("TAIL", key.slice(-8))
    .replaceAll("KEY", key);
  const body = withKey.slice(withKey.indexOf("\n\n") + 2).replaceAll("\n", "\r\n");
  return withKey.replace("LENGTH", String(body.length));
}

/** Sends bytes on a new connection, and returns all that arrives until it ends or `timeoutMs` has passed. */
export async function sendRaw(url: string, text: string, timeoutMs = 10_000): Promise<string> {
  const { send, received, ended } = await openConnection(url);
  send(text);
  const timeout = new AbortController();
  await Promise.race([ended, sleep(timeoutMs, undefined, timeout).catch(() => {})]);
  timeout.abort();
  return received();
}
