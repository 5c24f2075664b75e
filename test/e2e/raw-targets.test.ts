// Unusual request targets, Host values and sizes are rejected or served, and never reach another host.
import { describe, expect, test } from "vitest";
import { runtime } from "../support/keylane.ts";
import {
  BOB_HEADER,
  BOB_LIST_REQUEST,
  get,
  sendRawRequest,
  primedSetup,
  upstreamRequests,
} from "../support/raw-request.ts";

const LIST = "200, in sync";
const REJECTED = "400 bad_request, in sync";

interface Row {
  readonly name: string;
  readonly request: string;
  readonly outcome: string;
  /** The outcome where workerd parses the request line and Host itself, and gives the Worker a complete URL. */
  readonly workerd?: string;
}

const withHost = (host: string, target = "/v1/models") => `GET ${target} HTTP/1.1\n${host}${BOB_HEADER}\n`;

describe("an unusual Host or target", () => {
  const BAD = "500, closed";
  test.for<Row>([
    { name: "no Host", request: withHost(""), outcome: REJECTED, workerd: "400, in sync" },
    { name: "an empty Host", request: withHost("Host:\n"), outcome: LIST, workerd: "400, in sync" },
    { name: "two Hosts", request: withHost("Host: a\nHost: b\n"), outcome: REJECTED, workerd: BAD },
    { name: "two equal Hosts", request: withHost("Host: a\nhost: a\n"), outcome: REJECTED, workerd: BAD },
    { name: "two names in one", request: withHost("Host: a, b\n"), outcome: REJECTED, workerd: BAD },
    { name: "user and password", request: withHost("Host: u:p@a\n"), outcome: REJECTED, workerd: LIST },
    { name: "a port", request: withHost("Host: a:8080\n"), outcome: LIST },
    { name: "a port out of range", request: withHost("Host: a:99999\n"), outcome: REJECTED, workerd: BAD },
    { name: "a port of letters", request: withHost("Host: a:x\n"), outcome: REJECTED, workerd: BAD },
    { name: "a space", request: withHost("Host: a b\n"), outcome: REJECTED, workerd: BAD },
    { name: "an IPv6 address", request: withHost("Host: [::1]:80\n"), outcome: LIST },
    { name: "an unclosed IPv6 address", request: withHost("Host: [::1\n"), outcome: REJECTED, workerd: BAD },
    { name: "a backslash", request: withHost("Host: a\\b\n"), outcome: REJECTED, workerd: LIST },
    { name: "an escape", request: withHost("Host: a%00\n"), outcome: REJECTED, workerd: BAD },
    { name: "UTF-8", request: withHost("Host: \xe2\x9c\x93\n"), outcome: REJECTED, workerd: LIST },
    { name: "5 kB of Host", request: withHost(`Host: ${"a".repeat(5000)}\n`), outcome: LIST },
    { name: "a path in Host", request: withHost("Host: a/v1/models?\n", "/healthz"), outcome: REJECTED, workerd: LIST },
    { name: "the host of the target", request: get("http://a/v1/models"), outcome: REJECTED, workerd: LIST },
    { name: "another host", request: get("http://b.invalid/v1/models"), outcome: REJECTED, workerd: LIST },
    { name: "https in the target", request: get("https://a/v1/models"), outcome: REJECTED, workerd: LIST },
    { name: "HTTP in capitals", request: get("HTTP://a/v1/models"), outcome: REJECTED, workerd: LIST },
    { name: "another scheme", request: get("ftp://a/v1/models"), outcome: REJECTED, workerd: LIST },
    { name: "GET *", request: get("*"), outcome: REJECTED, workerd: LIST },
    {
      name: "OPTIONS *",
      request: `OPTIONS * HTTP/1.1\nHost: a\n${BOB_HEADER}\n`,
      outcome: REJECTED,
      workerd: "204, in sync",
    },
    { name: "host and port", request: get("a:80"), outcome: "400 bad_request, closed", workerd: LIST },
    { name: "no slash", request: get("v1/models"), outcome: "400 bad_request, closed", workerd: "400, closed" },
    { name: "a query alone", request: get("?v1/models"), outcome: "400 bad_request, closed", workerd: "400, closed" },
    { name: "Latin-1", request: get("/v1/models\xe9"), outcome: "400 bad_request, closed", workerd: "400, closed" },
    { name: "NUL", request: get("/v1/models␀"), outcome: "400 bad_request, closed", workerd: "400, closed" },
    { name: "DEL", request: get("/v1/models\x7f"), outcome: "400 bad_request, closed", workerd: "400, closed" },
    { name: "a fragment", request: get("/v1/models#x.css"), outcome: REJECTED, workerd: LIST },
  ])("$name: $outcome", async ({ request, outcome, workerd }) => {
    const actual = await sendRawRequest(request);
    expect(actual.outcome).toBe(runtime === "workerd" ? (workerd ?? outcome) : outcome);
    // A served request causes one request for Bob's list at upstream, a rejected one none.
    const isServed = actual.outcome === LIST;
    for (const seen of actual.upstream)
      expect(seen).toMatch(/^GET \/api\/personalized\/v1\/models\S* sk-nano-test-bob$/);
    expect(actual.upstream.length).toBeLessThanOrEqual(isServed ? 1 : 0);
  });

  test.for([
    "X-Original-URL: /v1/models\nX-Rewrite-URL: /v1/models\n",
    "X-Forwarded-Host: b.invalid\nX-Forwarded-Prefix: /v1/models\nForwarded: host=b.invalid\n",
    "X-HTTP-Method-Override: PURGE\nX-HTTP-Method: DELETE\nX-Method-Override: POST\n",
  ])("is not changed by: %s", async (fields) => {
    const all = await primedSetup();
    const list = await sendRawRequest(get("/v1/models", BOB_HEADER + fields), all);
    expect(list).toMatchObject({ outcome: LIST, upstream: [BOB_LIST_REQUEST] });
    expect((await sendRawRequest(get("/healthz", BOB_HEADER + fields), all)).answers[0]?.body).toBe(
      '{"status":"alive"}',
    );
    const post = `POST /v1/models HTTP/1.1\nHost: a\nX-HTTP-Method-Override: GET\nContent-Length: 0\n${BOB_HEADER}\n`;
    expect((await sendRawRequest(post, all)).outcome).toBe("405 method_not_allowed, in sync");
    // No list was purged or fetched again.
    expect(upstreamRequests(all)).toEqual([BOB_LIST_REQUEST]);
    expect((await sendRawRequest(get("/v1/models"), all)).answers[0]?.head).toMatch(/^cache-status: keylane; hit;/im);
  });
});

const x = (length: number) => "x".repeat(length);

describe("a request with", () => {
  const TOO_LARGE = "431 headers_too_large, closed";
  // workerd accepts more; beyond its own limit it answers by itself.
  test.for<Row>([
    { name: "a field of 15 kB", request: get("/v1/models", `${BOB_HEADER}X-A: ${x(15_000)}\n`), outcome: LIST },
    {
      name: "a field of 16.5 kB",
      request: get("/v1/models", `${BOB_HEADER}X-A: ${x(16_500)}\n`),
      outcome: TOO_LARGE,
      workerd: LIST,
    },
    {
      name: "a field of 64 kB",
      request: get("/v1/models", `${BOB_HEADER}X-A: ${x(65_536)}\n`),
      outcome: TOO_LARGE,
      workerd: LIST,
    },
    {
      name: "a name of 20 kB",
      request: get("/v1/models", `${BOB_HEADER}${x(20_000)}: b\n`),
      outcome: TOO_LARGE,
      workerd: LIST,
    },
    {
      name: "a key of 17 kB",
      request: get("/v1/models", `x-api-key: ${x(17_000)}\n`),
      outcome: TOO_LARGE,
      workerd: "401 invalid_api_key, in sync",
    },
    {
      name: "2,000 lines",
      request: get("/v1/models", `${BOB_HEADER}${"X-A: b\n".repeat(2000)}`),
      outcome: TOO_LARGE,
      workerd: LIST,
    },
    {
      name: "a second key after 2,000 lines",
      request: get("/v1/models", `${BOB_HEADER}${"a:\n".repeat(2000)}${BOB_HEADER}`),
      outcome: TOO_LARGE,
      workerd: "400 ambiguous_credentials, in sync",
    },
    { name: "an id of 15 kB", request: get(`/v1/models/${x(15_000)}`), outcome: "404 model_not_found, in sync" },
    {
      name: "a target of 16.5 kB",
      request: get(`/v1/models/${x(16_500)}`),
      outcome: TOO_LARGE,
      workerd: "404 model_not_found, in sync",
    },
    { name: "a target of 64 kB", request: get(`/v1/models/${x(65_536)}`), outcome: TOO_LARGE, workerd: "414, closed" },
  ])("$name: $outcome", async ({ request, outcome, workerd }) => {
    const actual = await sendRawRequest(request);
    expect(actual.outcome).toBe(runtime === "workerd" ? (workerd ?? outcome) : outcome);
    const isFetched = /^(?:200|404)/.test(actual.outcome);
    expect(actual.upstream).toEqual(isFetched ? [BOB_LIST_REQUEST] : []);
  });
});
