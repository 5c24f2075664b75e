import { describe, expect, test } from "vitest";
import { ALICE, scene } from "../support/setup.ts";

const CORS_OR_KEYS = /^(?:access-control-|vary|cache-status|set-cookie|www-authenticate)/;

describe("a page of Keylane's own", () => {
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
    "answers %s %s to anyone, without CORS fields and without asking upstream",
    async ([method = "", path = ""]) => {
      const { call, nano } = await scene();
      const answer = await call(path, { method, headers: { origin: "https://page.example" } });
      expect(answer.status).toBe(200);
      expect(Object.keys(answer.headers).filter((name) => CORS_OR_KEYS.test(name))).toEqual([]);
      expect(answer.body.length > 0).toBe(method === "GET");
      expect(nano.seen).toEqual([]);
    },
  );

  test.for(["/", "/healthz", "/readyz"])("says nothing about keys at %s", async (path) => {
    const { list } = await scene();
    await list(ALICE);
    const answer = await list(ALICE, { path });
    expect(answer.status).toBe(200);
    expect(JSON.stringify(answer.headers) + answer.text).not.toContain(ALICE);
  });

  test.for(["/", "/healthz", "/readyz"])("gives no CORS fields to errors at %s either", async (path) => {
    const { call } = await scene();
    const answer = await call(path, { method: "POST", headers: { origin: "https://page.example" } });
    expect(answer.status).toBe(405);
    expect(Object.keys(answer.headers).filter((name) => CORS_OR_KEYS.test(name))).toEqual([]);
  });
});

describe("Claude Code's probe", () => {
  test.for(["/api/hello", "/v1/api/hello", "/basic/api/hello"])("HEAD %s is answered here", async (path) => {
    const { call, nano } = await scene();
    const answer = await call(path, { method: "HEAD" });
    expect(answer.status).toBe(200);
    expect(nano.seen).toEqual([]);
  });

  test("GET /api/hello is a call like another", async () => {
    const { call, nano } = await scene();
    await call("/api/hello");
    expect(nano.seen.map(({ target }) => target)).toEqual(["/api/hello"]);
  });
});
