// The console page and its files are served from this origin only, under a strict content security policy.
import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ALICE, setup } from "../support/setup.ts";

const HTML = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
const FILES = readdirSync(new URL("../../src/console/", import.meta.url)).filter((name) => /\.(?:css|js)$/.test(name));
const TYPES = { css: "text/css; charset=utf-8", js: "text/javascript; charset=utf-8" };

describe("the console page", () => {
  test("is the response of / to clients that accept HTML, and to no others", async () => {
    const { call, nano } = await setup();
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

  test("loads only files of its own origin, each with its content type", async () => {
    const { call } = await setup();
    expect(FILES.length).toBeGreaterThan(10);
    for (const name of FILES) {
      const file = await call(`/console/${name}`);
      expect(`${name} ${file.status} ${String(file.headers["content-type"])}`).toBe(
        `${name} 200 ${TYPES[name.endsWith(".css") ? "css" : "js"]}`,
      );
    }
    const { text } = await call("/", { headers: HTML });
    const linked = [...text.matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, url = ""]) => url);
    expect(linked.filter((url) => !/^(?:console\/[\w-]+\.(?:css|js)|data:image\/svg\+xml,)/.test(url))).toEqual([]);
    for (const url of linked.filter((url) => url.startsWith("console/")))
      expect((await call(`/${url}`)).status).toBe(200);
    expect(text).not.toMatch(/ style=| on\w+=|<script(?! type="module" src=)/);
  });

  test.for(["/", "/console/main.js", "/console/page.css"])(
    "is protected by strict security headers: %s",
    async (path) => {
      const { call } = await setup();
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
      const unwanted = Object.keys(headers).filter((name) => /^(?:access-control-|set-cookie|cache-status)/.test(name));
      expect(unwanted).toEqual([]);
    },
  );

  test.for(["/", "/console/main.js"])("is revalidated by its ETag: %s", async (path) => {
    const { call } = await setup();
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
    const { call } = await setup();
    expect((await call(path)).json().error.code).toBe("not_found");
  });

  test("rejects other methods with 405 and lists its methods for OPTIONS", async () => {
    const { call } = await setup();
    expect((await call("/console/main.js", { method: "POST" })).status).toBe(405);
    const options = await call("/console/main.js", { method: "OPTIONS" });
    expect([options.status, options.headers["allow"]]).toEqual([204, "GET, HEAD, OPTIONS"]);
  });

  test("contains no key", async () => {
    const { list } = await setup();
    await list(ALICE);
    const answer = await list(ALICE, { path: "/", headers: HTML });
    expect(answer.text).toMatch(/^<!doctype html>/i);
    expect(JSON.stringify(answer.headers) + answer.text).not.toContain(ALICE);
  });

  test("is switched off by CONSOLE=false", async () => {
    const { call } = await setup({ CONSOLE: "false" });
    expect((await call("/", { headers: HTML })).json()).toMatchObject({ name: "keylane" });
    expect((await call("/console/main.js")).status).toBe(404);
  });
});
