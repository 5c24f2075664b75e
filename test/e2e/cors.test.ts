// Web pages of allowed origins can read responses and errors; ALLOWED_HOSTS rejects other Host headers.
import { describe, expect, test } from "vitest";
import { ALICE, setup, type Answer } from "../support/setup.ts";

const PAGE = "https://chat.example.org";
const EXPOSED = "ETag, Age, Cache-Status, Retry-After, X-Request-Id";
const corsOf = ({ headers }: Answer) => Object.keys(headers).filter((name) => name.startsWith("access-control-"));
// The request headers that SillyTavern and the OpenAI SDK announce in a preflight.
const REQUESTED_HEADERS =
  "authorization,content-type,x-api-key,x-stainless-arch,x-stainless-lang,x-stainless-os," +
  "x-stainless-package-version,x-stainless-retry-count,x-stainless-runtime,x-stainless-runtime-version," +
  "x-stainless-timeout,http-referer,x-title";

describe("a response to a web page has CORS headers", () => {
  test.for([
    ["a list", "GET", "/v1/models", 200],
    ["a list's HEAD", "HEAD", "/v1/models", 200],
    ["one model", "GET", "/v1/models/openai/gpt-4-turbo", 200],
    ["an unknown model", "GET", "/v1/models/x", 404],
    ["an unknown path", "GET", "/foo", 404],
    ["a bad path", "GET", "/v1/%00", 400],
    ["a wrong method", "POST", "/v1/models", 405],
    ["a purge", "DELETE", "/v1/models", 204],
    ["a probe", "HEAD", "/api/hello", 200],
    ["a passthrough call", "POST", "/v1/echo", 200],
    ["a passthrough call unknown to upstream", "GET", "/v1/nothing", 404],
  ] as const)("when it is %s", async ([, method, path, status]) => {
    const { list } = await setup();
    const answer = await list(ALICE, { method, path, headers: { origin: PAGE } });
    expect(answer.status).toBe(status);
    expect(answer.headers["access-control-allow-origin"]).toBe("*");
    expect(answer.headers["access-control-expose-headers"]).toBe(EXPOSED);
  });

  test("when the key is missing or rejected, and when upstream fails or is unreachable", async () => {
    const { call, list, nano } = await setup();
    const answers = [await call("/v1/models", { headers: { origin: PAGE } })];
    answers.push(await list("sk-nano-test-nobody", { headers: { origin: PAGE } }));
    nano.fail({ kind: "status", status: 500 });
    answers.push(await list(ALICE));
    await nano.pause();
    answers.push(await list(ALICE, { path: "/paid/v1/models" }), await list(ALICE, { path: "/v1/echo" }));
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 502, 502, 502]);
    for (const answer of answers) expect(answer.headers["access-control-allow-origin"]).toBe("*");
  });

  test("when it is a 304", async () => {
    const { list } = await setup();
    const answer = await list(ALICE, { headers: { origin: PAGE, "if-none-match": "*" } });
    expect(answer.status).toBe(304);
    expect(answer.headers["access-control-allow-origin"]).toBe("*");
  });

  test("once, when upstream sends its own", async () => {
    const { list, nano } = await setup();
    const headers = {
      "access-control-allow-origin": "https://nano-gpt.com",
      "access-control-allow-credentials": "true",
      "access-control-max-age": "1",
    };
    nano.fail({ kind: "status", status: 200, body: "{}", headers }, { path: "/v1/chat" });
    const answer = await list(ALICE, { method: "POST", path: "/v1/chat/completions", body: "{}" });
    expect(answer.headers["access-control-allow-origin"]).toBe("*");
    expect(corsOf(answer).sort()).toEqual(["access-control-allow-origin", "access-control-expose-headers"]);
  });
});

const preflight = (method: string, origin = PAGE) => ({
  method: "OPTIONS",
  headers: {
    origin,
    "access-control-request-method": method,
    "access-control-request-headers": REQUESTED_HEADERS,
  },
});

describe("a preflight", () => {
  test.for(["/v1/models", "/v1/models/a/b", "/v1/chat/completions", "/api/v1/x", "/foo", "/v1/%2e%2e/x"])(
    "on %s needs no key, and allows what it requests",
    async (path) => {
      const { call, nano } = await setup();
      const answer = await call(path, preflight("POST"));
      expect(answer.status).toBe(204);
      expect(answer.body).toHaveLength(0);
      expect(answer.headers).toMatchObject({
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": REQUESTED_HEADERS,
        "access-control-max-age": "86400",
      });
      expect(REQUESTED_HEADERS.split(",")).toHaveLength(13);
      expect(nano.seen).toEqual([]);
    },
  );

  test("from a listed origin gets that origin, from another no CORS headers", async () => {
    const { call } = await setup({ CORS_ORIGIN: `http://localhost:3000, ${PAGE}` });
    const allowed = await call("/v1/models", preflight("DELETE"));
    expect(allowed.headers).toMatchObject({
      "access-control-allow-origin": PAGE,
      "access-control-allow-methods": "DELETE",
      "access-control-allow-headers": REQUESTED_HEADERS,
      vary: expect.stringContaining("Origin"),
    });
    const rejected = await call("/v1/models", preflight("DELETE", "https://evil.example"));
    expect(rejected.status).toBe(204);
    expect(corsOf(rejected)).toEqual([]);
  });

  test.for(["/", "/healthz", "/readyz"])("on %s gets no CORS headers for any web page", async (path) => {
    const { call } = await setup();
    const answer = await call(path, preflight("GET"));
    expect(answer.status).toBe(204);
    expect(corsOf(answer)).toEqual([]);
  });

  test.for(["/v1/models", "/v1/models/a/b", "/healthz"])(
    "is not a plain OPTIONS request, which gets Allow on %s",
    async (path) => {
      const { list, nano } = await setup();
      const answer = await list(ALICE, { method: "OPTIONS", path });
      expect(answer.status).toBe(204);
      expect(answer.headers["allow"]).toMatch(/^GET, HEAD,.* OPTIONS$/);
      expect(nano.seen).toEqual([]);
    },
  );

  test("is not a plain OPTIONS request, which passes through on other paths", async () => {
    const { list, nano } = await setup();
    const answer = await list(ALICE, { method: "OPTIONS", path: "/v1/echo", headers: { origin: PAGE } });
    expect(answer.headers["x-standin"]).toBe("1");
    expect(nano.seen.map(({ method }) => method)).toEqual(["OPTIONS"]);
  });
});

describe("CORS_ORIGIN", () => {
  const paths = ["/v1/models", "/foo", "/v1/echo"];
  test.for([
    ["", PAGE, undefined],
    [PAGE, PAGE, PAGE],
    [`http://localhost:3000,${PAGE}`, PAGE, PAGE],
    [PAGE, "https://evil.example", undefined],
    [PAGE, `${PAGE}.evil.example`, undefined],
    [PAGE, `${PAGE}:8443`, undefined],
    [PAGE, "http://chat.example.org", undefined],
    [PAGE, "null", undefined],
    [PAGE, undefined, undefined],
    ["*", undefined, "*"],
    ["*", "null", "*"],
  ])("'%s' gives a page from %s: %s", async ([setting = "", origin, allowed]) => {
    const { list, nano } = await setup({ CORS_ORIGIN: setting });
    const upstreamHeaders = { "access-control-allow-origin": "*" };
    nano.fail({ kind: "status", status: 200, body: "{}", headers: upstreamHeaders }, { path: "/echo" });
    for (const path of paths) {
      const answer = await list(ALICE, { path, headers: origin === undefined ? {} : { origin } });
      expect(answer.headers["access-control-allow-origin"]).toBe(allowed);
      if (allowed === undefined) expect(corsOf(answer)).toEqual([]);
    }
  });
});

describe("ALLOWED_HOSTS", () => {
  test.for([
    ["localhost", "localhost", 200],
    ["localhost", "LOCALHOST:8787", 200],
    ["localhost:8787, keylane.lan", "keylane.lan:80", 200],
    ["[::1]", "[::1]:8787", 200],
    ["localhost:8787", "localhost", 421],
    ["localhost:8787", "localhost:8788", 421],
    ["localhost", "rebind.example", 421],
    ["localhost", "localhost.evil.example", 421],
    ["localhost", "evil.example:80", 421],
  ] as const)("'%s' answers Host %s with %i", async ([setting, host, status]) => {
    const { list, nano } = await setup({ ALLOWED_HOSTS: setting });
    for (const path of ["/v1/models", "/v1/echo", "/healthz"]) {
      const answer = await list(ALICE, { path, headers: { host } });
      expect(answer.status).toBe(status);
      if (status === 421) expect(answer.json().error.code).toBe("misdirected_request");
    }
    expect(nano.seen).toHaveLength(status === 421 ? 0 : 2);
  });
});
