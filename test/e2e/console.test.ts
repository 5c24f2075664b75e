import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ALICE, scene } from "../support/setup.ts";

const HTML = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
const FILES = readdirSync(new URL("../../src/console/", import.meta.url)).filter((name) =>
  /\.(?:css|js)$/.test(name),
);
const TYPES = { css: "text/css; charset=utf-8", js: "text/javascript; charset=utf-8" };

describe("the console page", () => {
  test("is what / answers to a browser, and to nobody else", async () => {
    const { call, nano } = await scene();
    const page = await call("/", { headers: HTML });
    expect(page.status).toBe(200);
    expect(page.headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(page.text).toMatch(/^<!doctype html>/i);
    for (const accept of ["application/json", "*/*"]) {
      const about = await call("/", { headers: { accept } });
      expect(about.json()).toMatchObject({ name: "keylane" });
    }
    expect(nano.seen).toEqual([]);
  });

  test("has all its files on this very host, each of its own type", async () => {
    const { call } = await scene();
    expect(FILES.length).toBeGreaterThan(10);
    for (const name of FILES) {
      const file = await call(`/console/${name}`);
      expect(`${name} ${file.status} ${String(file.headers["content-type"])}`).toBe(
        `${name} 200 ${TYPES[name.endsWith(".css") ? "css" : "js"]}`,
      );
    }
    const { text } = await call("/", { headers: HTML });
    const named = [...text.matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, url = ""]) => url);
    expect(
      named.filter((url) => !/^(?:console\/[\w-]+\.(?:css|js)|data:image\/svg\+xml,)/.test(url)),
    ).toEqual([]);
    for (const url of named.filter((one) => one.startsWith("console/")))
      expect((await call(`/${url}`)).status).toBe(200);
    expect(text).not.toMatch(/ style=| on\w+=|<script(?! type="module" src=)/);
  });

  test.for(["/", "/console/main.js", "/console/page.css"])(
    "guards %s against everything that is not its own",
    async (path) => {
      const { call } = await scene();
      const { headers } = await call(path, { headers: { ...HTML, origin: "https://page.example" } });
      expect(headers["content-security-policy"]).toMatch(
        /^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'/,
      );
      expect(headers).toMatchObject({
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cache-control": "no-cache",
      });
      const others = Object.keys(headers).filter((name) =>
        /^(?:access-control-|set-cookie|cache-status)/.test(name),
      );
      expect(others).toEqual([]);
    },
  );

  test.for(["/", "/console/main.js"])("is not sent again where it has not changed: %s", async (path) => {
    const { call } = await scene();
    const first = await call(path, { headers: HTML });
    const etag = String(first.headers["etag"]);
    expect(etag).toMatch(/^"[\w-]{27}"$/);
    const again = await call(path, { headers: { ...HTML, "if-none-match": etag } });
    expect([again.status, again.body.length, again.headers["etag"]]).toEqual([304, 0, etag]);
    expect((await call(path, { headers: { ...HTML, "if-none-match": '"other"' } })).status).toBe(200);
    const head = await call(path, { method: "HEAD", headers: HTML });
    expect([head.status, head.body.length, head.headers["content-length"]]).toEqual([
      200,
      0,
      String(first.body.length),
    ]);
  });

  test.for([
    "/console/none.js",
    "/console/index.html",
    "/console/tsconfig.json",
    "/console",
    "/console/a/b",
    "/console/constructor",
  ])("has no %s", async (path) => {
    const { call } = await scene();
    expect((await call(path)).json().error.code).toBe("not_found");
  });

  test("answers other methods with 405, and OPTIONS with what it has", async () => {
    const { call } = await scene();
    expect((await call("/console/main.js", { method: "POST" })).status).toBe(405);
    const options = await call("/console/main.js", { method: "OPTIONS" });
    expect([options.status, options.headers["allow"]]).toEqual([204, "GET, HEAD, OPTIONS"]);
  });

  test("says nothing about keys", async () => {
    const { list } = await scene();
    await list(ALICE);
    const answer = await list(ALICE, { path: "/", headers: HTML });
    expect(answer.text).toMatch(/^<!doctype html>/i);
    expect(JSON.stringify(answer.headers) + answer.text).not.toContain(ALICE);
  });

  test("is switched off by CONSOLE=false", async () => {
    const { call } = await scene({ CONSOLE: "false" });
    expect((await call("/", { headers: HTML })).json()).toMatchObject({ name: "keylane" });
    expect((await call("/console/main.js")).status).toBe(404);
  });
});
