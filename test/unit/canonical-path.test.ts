// Every base URL of the grammar leads to its list; a passthrough never leaves the upstream's base URL.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ApiError } from "../../src/http/errors.ts";
import { route, type Route } from "../../src/http/canonical-path.ts";

const slashes = fc.integer({ min: 1, max: 4 }).map((count) => "/".repeat(count));
const shape = fc.constantFrom(undefined, "basic", "detailed", "openrouter");
const list = fc.constantFrom(undefined, "personalized", "subscription", "paid");
const base = fc.record({
  shape,
  list,
  hasApi: fc.boolean(),
  version: fc.constantFrom("v1", "v1legacy", "v1thinking"),
  isDoubled: fc.boolean(),
  isChatUrl: fc.boolean(),
});

type Base = typeof base extends fc.Arbitrary<infer T> ? T : never;

function segmentsOf({ shape, list, hasApi, version, isDoubled, isChatUrl }: Base) {
  return [
    ...(shape === undefined ? [] : [shape]),
    ...(hasApi ? ["api"] : []),
    ...(list === undefined ? [] : [list]),
    version,
    ...(isDoubled ? ["v1"] : []),
    ...(isChatUrl ? ["chat", "completions"] : []),
    "models",
  ];
}

/** The route, or undefined for a target that is rejected with 400; any other error fails the test. */
function routeOrInvalid(method: string, target: string): Route | undefined {
  try {
    return route(method, target);
  } catch (error) {
    if (error instanceof ApiError && error.body.status === 400) return undefined;
    throw error;
  }
}

describe("a base URL", () => {
  test("of the grammar leads to its list in its shape, with any number of slashes", () => {
    fc.assert(
      fc.property(
        base,
        fc.array(slashes, { minLength: 7, maxLength: 7 }),
        fc.constantFrom("", "/", "//"),
        (parts, gaps, end) => {
          const target =
            segmentsOf(parts)
              .map((segment, i) => (gaps[i] ?? "/") + segment)
              .join("") + end;
          const result = route("GET", `${target}?a=/../b`);
          expect(result).toMatchObject({
            kind: "models",
            canonicalPath: "/v1/models",
            list: parts.list,
            shape: parts.shape,
            query: "a=/../b",
          });
        },
      ),
    );
  });

  test("of the grammar leads to any model by its id, raw or escaped", () => {
    const id = fc
      .array(fc.stringMatching(/^[\w.:@+ ~-]{1,12}$/), { minLength: 1, maxLength: 4 })
      .map((parts) => parts.join("/"))
      .filter((id) => !/(^|\/)\.{1,2}(\/|$)/.test(id) && !id.includes(" "));
    fc.assert(
      fc.property(base, id, (parts, id) => {
        const path = `/${segmentsOf(parts).join("/")}/`;
        for (const spelling of [id, encodeURIComponent(id), encodeURI(id)]) {
          const result = route("GET", path + spelling);
          expect(result).toMatchObject({ kind: "model", list: parts.list });
          expect(decodeURIComponent(result.canonicalPath)).toBe(`/v1/models/${id}`);
        }
      }),
    );
  });
});

describe("a passthrough", () => {
  const piece = fc.constantFrom(
    ..."/ // . .. ... %2e %2E %2f %2F %5c \\ %00 %0a ;x @ : ? # % %zz %25 %252e v1 api basic models chat evil.example".split(
      " ",
    ),
    ..."\u0000 \r \n \t \u007f é http:// //user@evil.example /v1/ /api/ completions messages".split(" "),
  );
  const target = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(piece, { maxLength: 12 }).map((parts) => parts.join("")),
    fc.array(piece, { maxLength: 12 }).map((parts) => `/v1/${parts.join("")}`),
    fc.array(piece, { maxLength: 12 }).map((parts) => `/api/${parts.join("")}`),
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
  );

  test("never leaves the base URL to which it is appended, whatever the target", () => {
    const bases = fc.constantFrom("https://nano-gpt.com/api", "http://127.0.0.1:8080", "https://x.example/a/b");
    fc.assert(
      fc.property(fc.constantFrom("GET", "POST", "HEAD", "DELETE"), target, bases, (method, target, base) => {
        const result = routeOrInvalid(method, target);
        if (result === undefined || !("upstreamPath" in result)) return;
        const joined = new URL(base + result.upstreamPath);
        const { origin, pathname } = new URL(base);
        expect(joined.origin).toBe(origin);
        expect(joined.username + joined.password).toBe("");
        expect(`${joined.pathname}/`.startsWith(`${pathname.replace(/\/$/, "")}/`)).toBe(true);
        // Nor does it for a server that decodes escapes before it splits segments.
        const decoded = joined.pathname.replaceAll(/%2e/gi, ".").replaceAll(/%2f/gi, "/");
        expect(decoded).not.toMatch(/\/\.\.?(?:\/|$)/);
      }),
      { numRuns: 3000 },
    );
  });

  test("keeps every byte after the base URL, the query included", () => {
    const rest = fc
      .stringMatching(/^(?:[\w.~:;@!$&'()*+,=-]|%2F|%3a|%20|\/){0,30}$/)
      .filter((text) => !/\/\.\.?(?:;[^/]*)?(?:\/|$)/.test(`/${text}`.replaceAll(/%2f/gi, "/")));
    const query = fc.stringMatching(/^[\x21-\x7e]{0,20}$/).map((text) => (text === "" ? "" : `?${text}`));
    const prefix = fc.constantFrom("", "/basic", "/detailed", "/openrouter", "/api", "/basic/api", "//detailed//api");
    fc.assert(
      fc.property(prefix, rest, query, (prefix, rest, query) => {
        const result = route("POST", `${prefix}/v1/x${rest}${query}`);
        expect(result).toMatchObject({ kind: "passthrough", upstreamPath: `/v1/x${rest}${query}` });
      }),
    );
  });

  test("is rejected where a dot segment is hidden in any way", () => {
    const dots = fc.constantFrom(".", "..", "%2e", "%2E%2e", ".%2e", "%2E.", "..;a=b", ".;", "%2e%2e;x");
    const slash = fc.constantFrom("/", "//", "%2f", "%2F");
    const before = fc.constantFrom("/v1", "/api", "/v1/models", "/basic/v1/x", "");
    const after = fc.constantFrom("", "/", "/models", "%2fmodels", "?q");
    fc.assert(
      fc.property(before, slash, dots, after, (before, slash, dots, after) => {
        expect(routeOrInvalid("GET", `${before === "" ? "/" : before + slash}${dots}${after}`)).toBeUndefined();
      }),
    );
  });

  test("is distinct from Keylane's own pages", () => {
    const INTERNAL = { "": "root", healthz: "healthz", readyz: "readyz" };
    for (const [name, kind] of Object.entries(INTERNAL)) {
      const expected = { kind, canonicalPath: `/${name}` };
      expect(route("GET", `/${name}`)).toEqual(expected);
      expect(route("GET", `/${name}?a`)).toEqual(expected);
      expect(route("GET", `/v1/${name}x`).kind).toBe("passthrough");
    }
    expect(route("GET", "//console//main.js?a")).toEqual({
      kind: "console",
      canonicalPath: "/console/main.js",
    });
    for (const path of ["/console", "/console/a/b", "/passthrough", "/preflight", "/not-result"])
      expect(route("GET", path).kind).toBe("not_found");
    expect(route("GET", "/v1/console/x").kind).toBe("passthrough");
  });
});
