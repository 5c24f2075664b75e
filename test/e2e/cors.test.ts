import { describe, expect, test } from "vitest";
import { ALICE, scene, type Answer } from "../support/setup.ts";

const PAGE = "https://chat.example.org";
const EXPOSED = "ETag, Age, Cache-Status, Retry-After, X-Request-Id";
const corsOf = ({ headers }: Answer) =>
  Object.keys(headers).filter((name) => name.startsWith("access-control-"));
// What SillyTavern and the OpenAI SDK in a browser announce.
const ASKED =
  "authorization,content-type,x-api-key,x-stainless-arch,x-stainless-lang,x-stainless-os," +
  "x-stainless-package-version,x-stainless-retry-count,x-stainless-runtime,x-stainless-runtime-version," +
  "x-stainless-timeout,http-referer,x-title";

describe("an answer to a page has CORS fields", () => {
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
    ["a call", "POST", "/v1/echo", 200],
    ["a call that upstream does not know", "GET", "/v1/nothing", 404],
  ] as const)("where it is %s", async ([, method, path, status]) => {
    const { list } = await scene();
    const answer = await list(ALICE, { method, path, headers: { origin: PAGE } });
    expect(answer.status).toBe(status);
    expect(answer.headers["access-control-allow-origin"]).toBe("*");
    expect(answer.headers["access-control-expose-headers"]).toBe(EXPOSED);
  });

  test("where no key was sent, a key is refused, and where upstream fails or is gone", async () => {
    const { call, list, nano } = await scene();
    const answers = [await call("/v1/models", { headers: { origin: PAGE } })];
    answers.push(await list("sk-nano-test-nobody", { headers: { origin: PAGE } }));
    nano.fail({ kind: "status", status: 500 });
    answers.push(await list(ALICE));
    await nano.pause();
    answers.push(await list(ALICE, { path: "/paid/v1/models" }), await list(ALICE, { path: "/v1/echo" }));
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 502, 502, 502]);
    for (const answer of answers) expect(answer.headers["access-control-allow-origin"]).toBe("*");
  });

  test("on 304 too", async () => {
    const { list } = await scene();
    const answer = await list(ALICE, { headers: { origin: PAGE, "if-none-match": "*" } });
    expect(answer.status).toBe(304);
    expect(answer.headers["access-control-allow-origin"]).toBe("*");
  });

  test("once, where upstream has its own", async () => {
    const { list, nano } = await scene();
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
    "access-control-request-headers": ASKED,
  },
});

describe("a preflight", () => {
  test.for(["/v1/models", "/v1/models/a/b", "/v1/chat/completions", "/api/v1/x", "/foo", "/v1/%2e%2e/x"])(
    "is answered on %s without a key, with what was asked for",
    async (path) => {
      const { call, nano } = await scene();
      const answer = await call(path, preflight("POST"));
      expect(answer.status).toBe(204);
      expect(answer.body).toHaveLength(0);
      expect(answer.headers).toMatchObject({
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": ASKED,
        "access-control-max-age": "86400",
      });
      expect(ASKED.split(",")).toHaveLength(13);
      expect(nano.seen).toEqual([]);
    },
  );

  test("of a listed origin is answered with that origin, of another with nothing", async () => {
    const { call } = await scene({ CORS_ORIGIN: `http://localhost:3000, ${PAGE}` });
    const allowed = await call("/v1/models", preflight("DELETE"));
    expect(allowed.headers).toMatchObject({
      "access-control-allow-origin": PAGE,
      "access-control-allow-methods": "DELETE",
      "access-control-allow-headers": ASKED,
      vary: expect.stringContaining("Origin"),
    });
    const refused = await call("/v1/models", preflight("DELETE", "https://evil.example"));
    expect(refused.status).toBe(204);
    expect(corsOf(refused)).toEqual([]);
  });

  test.for(["/", "/healthz", "/readyz"])("is answered on %s too, which no page may read", async (path) => {
    const { call } = await scene();
    const answer = await call(path, preflight("GET"));
    expect(answer.status).toBe(204);
    expect(corsOf(answer)).toEqual([]);
  });

  test.for(["/v1/models", "/v1/models/a/b", "/healthz"])(
    "is no OPTIONS call: one without the question is answered on %s with Allow",
    async (path) => {
      const { list, nano } = await scene();
      const answer = await list(ALICE, { method: "OPTIONS", path });
      expect(answer.status).toBe(204);
      expect(answer.headers["allow"]).toMatch(/^GET, HEAD,.* OPTIONS$/);
      expect(nano.seen).toEqual([]);
    },
  );

  test("is no OPTIONS call: one without the question passes through elsewhere", async () => {
    const { list, nano } = await scene();
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
  ])("'%s' gives a page of %s: %s", async ([setting = "", origin, allowed]) => {
    const { list, nano } = await scene({ CORS_ORIGIN: setting });
    const theirs = { "access-control-allow-origin": "*" };
    nano.fail({ kind: "status", status: 200, body: "{}", headers: theirs }, { path: "/echo" });
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
    const { list, nano } = await scene({ ALLOWED_HOSTS: setting });
    for (const path of ["/v1/models", "/v1/echo", "/healthz"]) {
      const answer = await list(ALICE, { path, headers: { host } });
      expect(answer.status).toBe(status);
      if (status === 421) expect(answer.json().error.code).toBe("misdirected_request");
    }
    expect(nano.seen).toHaveLength(status === 421 ? 0 : 2);
  });
});
