// Requests for the same list have the same cache key; another client, list, query or origin has another key.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ModelsRoute } from "../../src/http/canonical-path.ts";
import { cacheKey, parseListQuery, type ListDefaults } from "../../src/cache/cache-key.ts";

const FINGERPRINT = "f".repeat(64);
const DEFAULTS: ListDefaults = { modelsList: "personalized", modelsShape: "requested" };
const parse = (query: string, route: Partial<ModelsRoute> = {}, defaults: ListDefaults = DEFAULTS) =>
  parseListQuery(
    {
      kind: "models",
      canonicalPath: "/v1/models",
      list: undefined,
      shape: undefined,
      upstreamPath: "/",
      query,
      ...route,
    },
    defaults,
  );

const IGNORED = ["limit", "user", "beta", "after_id", "before_id"];
const ignored = fc.tuple(fc.constantFrom(...IGNORED), fc.string({ maxLength: 8 }));
const meaningful = fc
  .tuple(
    fc.oneof(fc.constantFrom("sort", "Detailed", "LIMIT", "provider"), fc.string({ minLength: 1, maxLength: 8 })),
    fc.string({ maxLength: 12 }),
  )
  .filter(([name]) => ![...IGNORED, "detailed"].includes(name));
const byName = { selector: ([name]: [string, string]) => name, maxLength: 6 };
const textOf = (pairs: readonly (readonly [string, string])[]) => {
  const query = new URLSearchParams();
  for (const [name, value] of pairs) query.append(name, value);
  return query.toString();
};

describe("a list query", () => {
  test("does not depend on ignored parameters, wherever they are", () => {
    fc.assert(
      fc.property(fc.array(meaningful), fc.array(ignored), fc.boolean(), (kept, ignored, isDetailed) => {
        const detailed = [["detailed", isDetailed ? "true" : "false"]] as const;
        const expected = parse(textOf([...kept, ...detailed]));
        expect(parse(textOf([...ignored, ...kept, ...detailed]))).toEqual(expected);
        expect(parse(textOf([...detailed, ...kept, ...ignored]))).toEqual(expected);
        if (!isDetailed) expect(parse(textOf(kept))).toEqual(expected);
      }),
    );
  });

  test("does not depend on the order of parameters", () => {
    fc.assert(
      fc.property(fc.uniqueArray(meaningful, byName), fc.boolean(), (kept, isDetailed) => {
        const all = isDetailed ? [...kept, ["detailed", "1"] as const] : kept;
        expect(parse(textOf(all.toReversed()))).toEqual(parse(textOf(all)));
      }),
    );
  });

  test("depends on every other parameter and its value, and forwards it", () => {
    fc.assert(
      fc.property(fc.uniqueArray(meaningful, byName), meaningful, (kept, [name, value]) => {
        const listQuery = parse(textOf([...kept, [name, value]]));
        expect(new URLSearchParams(listQuery.query).getAll(name)).toContain(value);
        expect(listQuery.query).not.toBe(parse(textOf(kept)).query);
        expect(listQuery.query).not.toBe(parse(textOf([...kept, [name, `${value}x`]])).query);
      }),
    );
  });

  test("is parsed from any text without an error, and contains no ignored parameter", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (query) => {
        for (const name of new URLSearchParams(parse(query).query).keys()) expect(IGNORED).not.toContain(name);
      }),
    );
  });

  // MODELS_SHAPE, the base URL's shape, the client's query; then the shape served and the query sent upstream.
  test.for([
    ["requested", undefined, "", "original", ""],
    ["requested", undefined, "detailed=true", "original", "detailed=true"],
    ["requested", undefined, "detailed=1", "original", "detailed=true"],
    ["requested", undefined, "detailed=false", "original", ""],
    ["requested", undefined, "detailed=yes", "original", ""],
    ["requested", undefined, "detailed=false&detailed=true", "original", "detailed=true"],
    ["basic", undefined, "detailed=true", "basic", ""],
    ["detailed", undefined, "detailed=false", "original", "detailed=true"],
    ["basic", "detailed", "", "original", "detailed=true"],
    ["detailed", "basic", "detailed=1", "basic", ""],
    ["openrouter", undefined, "detailed=false", "openrouter", "detailed=true"],
    ["requested", "openrouter", "", "openrouter", "detailed=true"],
    ["openrouter", "detailed", "", "original", "detailed=true"],
    ["openrouter", "basic", "", "basic", ""],
  ] as const)(
    "with MODELS_SHAPE %s, base URL shape %s and query '%s': shape %s, upstream query '%s'",
    ([setting, shape, query, served, upstreamQuery]) => {
      const listQuery = parse(query, { shape }, { ...DEFAULTS, modelsShape: setting });
      expect(listQuery).toEqual({ list: "personalized", shape: served, query: upstreamQuery });
    },
  );
});

const variant = (query: string, origin: string) =>
  cacheKey(FINGERPRINT, { list: "personalized", shape: "original", query }, origin).variant;

// Two clients, four lists, five queries, four origins.
const everyKey = () =>
  [FINGERPRINT, "e".repeat(64)].flatMap((fingerprint) =>
    (["personalized", "canonical", "subscription", "paid"] as const).flatMap((list) =>
      ["", "detailed=true", "sort=a", "sort=b", "sort=a&x=1"].flatMap((query) =>
        [undefined, "https://a.example", "https://b.example", "null"].map((origin) =>
          JSON.stringify(cacheKey(fingerprint, parse(query, { list }), origin)),
        ),
      ),
    ),
  );

describe("a cache key", () => {
  const origin = fc.option(fc.webUrl(), { nil: undefined });

  test("contains no text of the query or the origin, where a client may have put a key", () => {
    const secret = fc.stringMatching(/^sk-nano-test-[\w-]{8,40}$/);
    fc.assert(
      fc.property(fc.constantFrom("key", "api_key", "sort", "user"), secret, origin, (name, secret, origin) => {
        const key = cacheKey(FINGERPRINT, parse(`${name}=${secret}&${secret}=1`), origin);
        expect(key.fingerprint).toBe(FINGERPRINT);
        expect(key.variant).not.toContain(secret);
        if (origin !== undefined) expect(key.variant).not.toContain(origin);
        expect(key.variant.length).toBeLessThan(80);
      }),
    );
  });

  test("is the same for the same request, and differs for any other list, query, origin or client", () => {
    expect(new Set(everyKey()).size).toBe(2 * 4 * 5 * 4);
    expect(everyKey()).toEqual(everyKey());
  });

  test("keeps query and origin apart", () => {
    expect(variant("a=1", "https://a.example")).not.toBe(variant("a=1https://a", ".example"));
    expect(variant("", "detailed=true")).not.toBe(variant("detailed=true", ""));
  });

  test("is shared by shapes that are views of one stored list: basic and original, openrouter and detailed", () => {
    const basic = cacheKey(FINGERPRINT, parse("", { shape: "basic" }), undefined);
    expect(basic).toEqual(cacheKey(FINGERPRINT, parse(""), undefined));
    const openrouter = cacheKey(FINGERPRINT, parse("sort=a", { shape: "openrouter" }), undefined);
    expect(openrouter).toEqual(cacheKey(FINGERPRINT, parse("sort=a", { shape: "detailed" }), undefined));
  });
});
