import { describe, expect, test } from "vitest";
import { runtime } from "../support/keylane.ts";
import { BOBS, BOBS_LIST, get, odd, primed, seenBy } from "../support/raw-request.ts";

const IN_STEP = "200, in step";
const REFUSED = "400 bad_request, in step";

interface Row {
  readonly what: string;
  readonly request: string;
  readonly outcome: string;
  /** Where workerd reads the request line and Host itself, and hands the Worker a whole URL. */
  readonly workerd?: string;
}

const hosted = (host: string, target = "/v1/models") => `GET ${target} HTTP/1.1\n${host}${BOBS}\n`;

describe("a Host or a target in another form", () => {
  const BAD = "500, closed";
  test.for<Row>([
    { what: "no Host", request: hosted(""), outcome: REFUSED, workerd: "400, in step" },
    { what: "an empty Host", request: hosted("Host:\n"), outcome: IN_STEP, workerd: "400, in step" },
    { what: "two Hosts", request: hosted("Host: a\nHost: b\n"), outcome: REFUSED, workerd: BAD },
    { what: "two Hosts, the same", request: hosted("Host: a\nhost: a\n"), outcome: REFUSED, workerd: BAD },
    { what: "two names in one", request: hosted("Host: a, b\n"), outcome: REFUSED, workerd: BAD },
    { what: "user and password", request: hosted("Host: u:p@a\n"), outcome: REFUSED, workerd: IN_STEP },
    { what: "a port", request: hosted("Host: a:8080\n"), outcome: IN_STEP },
    { what: "a port that is none", request: hosted("Host: a:99999\n"), outcome: REFUSED, workerd: BAD },
    { what: "a port of letters", request: hosted("Host: a:x\n"), outcome: REFUSED, workerd: BAD },
    { what: "a space within", request: hosted("Host: a b\n"), outcome: REFUSED, workerd: BAD },
    { what: "an IPv6 address", request: hosted("Host: [::1]:80\n"), outcome: IN_STEP },
    { what: "half of one", request: hosted("Host: [::1\n"), outcome: REFUSED, workerd: BAD },
    { what: "a backslash", request: hosted("Host: a\\b\n"), outcome: REFUSED, workerd: IN_STEP },
    { what: "an escape", request: hosted("Host: a%00\n"), outcome: REFUSED, workerd: BAD },
    { what: "UTF-8", request: hosted("Host: \xe2\x9c\x93\n"), outcome: REFUSED, workerd: IN_STEP },
    { what: "5 kB of Host", request: hosted(`Host: ${"a".repeat(5000)}\n`), outcome: IN_STEP },
    {
      what: "a path in Host",
      request: hosted("Host: a/v1/models?\n", "/healthz"),
      outcome: REFUSED,
      workerd: IN_STEP,
    },
    {
      what: "the host of the target",
      request: get("http://a/v1/models"),
      outcome: REFUSED,
      workerd: IN_STEP,
    },
    { what: "another host", request: get("http://b.invalid/v1/models"), outcome: REFUSED, workerd: IN_STEP },
    { what: "https in the target", request: get("https://a/v1/models"), outcome: REFUSED, workerd: IN_STEP },
    { what: "HTTP in capitals", request: get("HTTP://a/v1/models"), outcome: REFUSED, workerd: IN_STEP },
    { what: "another scheme", request: get("ftp://a/v1/models"), outcome: REFUSED, workerd: IN_STEP },
    { what: "GET *", request: get("*"), outcome: REFUSED, workerd: IN_STEP },
    {
      what: "OPTIONS *",
      request: `OPTIONS * HTTP/1.1\nHost: a\n${BOBS}\n`,
      outcome: REFUSED,
      workerd: "204, in step",
    },
    { what: "host and port", request: get("a:80"), outcome: "400 bad_request, closed", workerd: IN_STEP },
    {
      what: "no slash",
      request: get("v1/models"),
      outcome: "400 bad_request, closed",
      workerd: "400, closed",
    },
    {
      what: "a query alone",
      request: get("?v1/models"),
      outcome: "400 bad_request, closed",
      workerd: "400, closed",
    },
    {
      what: "Latin-1",
      request: get("/v1/models\xe9"),
      outcome: "400 bad_request, closed",
      workerd: "400, closed",
    },
    { what: "NUL", request: get("/v1/models␀"), outcome: "400 bad_request, closed", workerd: "400, closed" },
    {
      what: "DEL",
      request: get("/v1/models\x7f"),
      outcome: "400 bad_request, closed",
      workerd: "400, closed",
    },
    { what: "a fragment", request: get("/v1/models#x.css"), outcome: REFUSED, workerd: IN_STEP },
  ])("$what: $outcome", async ({ request, outcome, workerd }) => {
    const found = await odd(request);
    expect(found.outcome).toBe(runtime === "workerd" ? (workerd ?? outcome) : outcome);
    // What is let in asks for what its caller may see, at the one upstream; what is refused asks for nothing.
    const isLetIn = found.outcome === IN_STEP;
    for (const seen of found.upstream)
      expect(seen).toMatch(/^GET \/api\/personalized\/v1\/models\S* sk-nano-test-bob$/);
    expect(found.upstream.length).toBeLessThanOrEqual(isLetIn ? 1 : 0);
  });

  test.for([
    "X-Original-URL: /v1/models\nX-Rewrite-URL: /v1/models\n",
    "X-Forwarded-Host: b.invalid\nX-Forwarded-Prefix: /v1/models\nForwarded: host=b.invalid\n",
    "X-HTTP-Method-Override: PURGE\nX-HTTP-Method: DELETE\nX-Method-Override: POST\n",
  ])("changes nothing: %s", async (fields) => {
    const all = await primed();
    const list = await odd(get("/v1/models", BOBS + fields), all);
    expect(list).toMatchObject({ outcome: IN_STEP, upstream: [BOBS_LIST] });
    expect((await odd(get("/healthz", BOBS + fields), all)).answers[0]?.body).toBe('{"status":"alive"}');
    const post = `POST /v1/models HTTP/1.1\nHost: a\nX-HTTP-Method-Override: GET\nContent-Length: 0\n${BOBS}\n`;
    expect((await odd(post, all)).outcome).toBe("405 method_not_allowed, in step");
    // Nothing was forgotten, and nothing asked again.
    expect(seenBy(all)).toEqual([BOBS_LIST]);
    expect((await odd(get("/v1/models"), all)).answers[0]?.head).toMatch(/^cache-status: keylane; hit;/im);
  });
});

const x = (length: number) => "x".repeat(length);

describe("size", () => {
  const TOO_LARGE = "431 headers_too_large, closed";
  // What workerd takes is more; past its own limit it answers by itself.
  test.for<Row>([
    { what: "a field of 15 kB", request: get("/v1/models", `${BOBS}X-A: ${x(15_000)}\n`), outcome: IN_STEP },
    {
      what: "a field of 16.5 kB",
      request: get("/v1/models", `${BOBS}X-A: ${x(16_500)}\n`),
      outcome: TOO_LARGE,
      workerd: IN_STEP,
    },
    {
      what: "a field of 64 kB",
      request: get("/v1/models", `${BOBS}X-A: ${x(65_536)}\n`),
      outcome: TOO_LARGE,
      workerd: IN_STEP,
    },
    {
      what: "a name of 20 kB",
      request: get("/v1/models", `${BOBS}${x(20_000)}: b\n`),
      outcome: TOO_LARGE,
      workerd: IN_STEP,
    },
    {
      what: "a key of 17 kB",
      request: get("/v1/models", `x-api-key: ${x(17_000)}\n`),
      outcome: TOO_LARGE,
      workerd: "401 invalid_api_key, in step",
    },
    {
      what: "2,000 lines",
      request: get("/v1/models", `${BOBS}${"X-A: b\n".repeat(2000)}`),
      outcome: TOO_LARGE,
      workerd: IN_STEP,
    },
    {
      what: "a second key behind 2,000 lines",
      request: get("/v1/models", `${BOBS}${"a:\n".repeat(2000)}${BOBS}`),
      outcome: TOO_LARGE,
      workerd: "400 ambiguous_credentials, in step",
    },
    {
      what: "an id of 15 kB",
      request: get(`/v1/models/${x(15_000)}`),
      outcome: "404 model_not_found, in step",
    },
    {
      what: "a target of 16.5 kB",
      request: get(`/v1/models/${x(16_500)}`),
      outcome: TOO_LARGE,
      workerd: "404 model_not_found, in step",
    },
    {
      what: "a target of 64 kB",
      request: get(`/v1/models/${x(65_536)}`),
      outcome: TOO_LARGE,
      workerd: "414, closed",
    },
  ])("$what: $outcome", async ({ request, outcome, workerd }) => {
    const found = await odd(request);
    expect(found.outcome).toBe(runtime === "workerd" ? (workerd ?? outcome) : outcome);
    const isAsked = /^(?:200|404)/.test(found.outcome);
    expect(found.upstream).toEqual(isAsked ? [BOBS_LIST] : []);
  });
});
