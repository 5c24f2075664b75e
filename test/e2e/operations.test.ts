// Keylane's own pages and Claude Code's probe are answered without a key, CORS fields or an upstream request.
import { describe, expect, test } from "vitest";
import { ALICE, setup } from "../support/setup.ts";

const CORS_OR_KEYS = /^(?:access-control-|vary|cache-status|set-cookie|www-authenticate)/;

describe("an internal route", () => {
  test.for([
    ["GET", "/"],
    ["GET", "/healthz"],
    ["GET", "/readyz"],
    ["GET", "/healthz/"],
    ["GET", "//readyz"],
    ["HEAD", "/"],
    ["HEAD", "/healthz"],
    ["HEAD", "/readyz"],
  ])(
    "answers %s %s without a key, without CORS fields and without an upstream request",
    async ([method = "", path = ""]) => {
      const { call, nano } = await setup();
      const answer = await call(path, { method, headers: { origin: "https://page.example" } });
      expect(answer.status).toBe(200);
      expect(Object.keys(answer.headers).filter((name) => CORS_OR_KEYS.test(name))).toEqual([]);
      expect(answer.body.length > 0).toBe(method === "GET");
      expect(nano.seen).toEqual([]);
    },
  );

  test.for(["/", "/healthz", "/readyz"])("does not reveal keys at %s", async (path) => {
    const { list } = await setup();
    await list(ALICE);
    const answer = await list(ALICE, { path });
    expect(answer.status).toBe(200);
    expect(JSON.stringify(answer.headers) + answer.text).not.toContain(ALICE);
  });

  test.for(["/", "/healthz", "/readyz"])("sends no CORS fields with errors at %s", async (path) => {
    const { call } = await setup();
    const answer = await call(path, { method: "POST", headers: { origin: "https://page.example" } });
    expect(answer.status).toBe(405);
    expect(Object.keys(answer.headers).filter((name) => CORS_OR_KEYS.test(name))).toEqual([]);
  });
});

describe("Claude Code's probe", () => {
  test.for(["/api/hello", "/v1/api/hello", "/basic/api/hello"])("HEAD %s is answered by Keylane", async (path) => {
    const { call, nano } = await setup();
    const answer = await call(path, { method: "HEAD" });
    expect(answer.status).toBe(200);
    expect(nano.seen).toEqual([]);
  });

  test("GET /api/hello is passed through", async () => {
    const { call, nano } = await setup();
    await call("/api/hello");
    expect(nano.seen.map(({ target }) => target)).toEqual(["/api/hello"]);
  });
});
