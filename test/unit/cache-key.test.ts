import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ModelsRoute } from "../../src/http/canonical-path.ts";
import { cacheKey, parseListQuery, type ListDefaults } from "../../src/cache/cache-key.ts";

const PRINT = "f".repeat(64);
const plain: ListDefaults = { modelsList: "personalized", modelsShape: "requested" };
const ask = (query: string, more: Partial<ModelsRoute> = {}, behind: ListDefaults = plain) =>
  parseListQuery(
    {
      kind: "models",
      canonicalPath: "/v1/models",
      list: undefined,
      shape: undefined,
      upstreamPath: "/",
      query,
      ...more,
    },
    behind,
  );

const IDLE = ["limit", "user", "beta", "after_id", "before_id"];
const idle = fc.tuple(fc.constantFrom(...IDLE), fc.string({ maxLength: 8 }));
const meaningful = fc
  .tuple(
    fc.oneof(fc.constantFrom("sort", "Detailed", "LIMIT", "provider"), fc.string({ minLength: 1, maxLength: 8 })),
    fc.string({ maxLength: 12 }),
  )
  .filter(([name]) => ![...IDLE, "detailed"].includes(name));
const uniquely = { selector: ([name]: [string, string]) => name, maxLength: 6 };
const textOf = (pairs: readonly (readonly [string, string])[]) => {
  const written = new URLSearchParams();
  for (const [name, value] of pairs) written.append(name, value);
  return written.toString();
};

describe("a question", () => {
  test("does not change with idle parameters, wherever they stand", () => {
    fc.assert(
      fc.property(fc.array(meaningful), fc.array(idle), fc.boolean(), (meant, idle, isDetailed) => {
        const detailed = [["detailed", isDetailed ? "true" : "false"]] as const;
        const wanted = ask(textOf([...meant, ...detailed]));
        expect(ask(textOf([...idle, ...meant, ...detailed]))).toEqual(wanted);
        expect(ask(textOf([...detailed, ...meant, ...idle]))).toEqual(wanted);
        if (!isDetailed) expect(ask(textOf(meant))).toEqual(wanted);
      }),
    );
  });

  test("does not change with the order of its parameters", () => {
    fc.assert(
      fc.property(fc.uniqueArray(meaningful, uniquely), fc.boolean(), (meant, isDetailed) => {
        const all = isDetailed ? [...meant, ["detailed", "1"] as const] : meant;
        expect(ask(textOf(all.toReversed()))).toEqual(ask(textOf(all)));
      }),
    );
  });

  test("changes with every other parameter and its value, and forwards it", () => {
    fc.assert(
      fc.property(fc.uniqueArray(meaningful, uniquely), meaningful, (meant, [name, value]) => {
        const question = ask(textOf([...meant, [name, value]]));
        expect(new URLSearchParams(question.query).getAll(name)).toContain(value);
        expect(question.query).not.toBe(ask(textOf(meant)).query);
        expect(question.query).not.toBe(ask(textOf([...meant, [name, `${value}x`]])).query);
      }),
    );
  });

  test("of any query at all is found without a throw and has an idle part no more", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (query) => {
        for (const name of new URLSearchParams(ask(query).query).keys()) expect(IDLE).not.toContain(name);
      }),
    );
  });

  // MODELS_SHAPE, the base URL's shape, detailed, then the shape given back and the query upstream is asked.
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
    "with MODELS_SHAPE %s, base URL's %s and '%s' is %s, asked '%s'",
    ([setting, shape, query, given, asked]) => {
      const question = ask(query, { shape }, { ...plain, modelsShape: setting });
      expect(question).toEqual({ list: "personalized", shape: given, query: asked });
    },
  );
});

const variant = (query: string, origin: string) =>
  cacheKey(PRINT, { list: "personalized", shape: "original", query }, origin).variant;

// Two clients, four lists, five queries, four origins.
const everyKey = () =>
  [PRINT, "e".repeat(64)].flatMap((print) =>
    (["personalized", "canonical", "subscription", "paid"] as const).flatMap((list) =>
      ["", "detailed=true", "sort=a", "sort=b", "sort=a&x=1"].flatMap((query) =>
        [undefined, "https://a.example", "https://b.example", "null"].map((origin) =>
          JSON.stringify(cacheKey(print, ask(query, { list }), origin)),
        ),
      ),
    ),
  );

describe("a cache key", () => {
  const origin = fc.option(fc.webUrl(), { nil: undefined });

  test("never holds text of the query or the origin, such as a key somebody put there", () => {
    const secret = fc.stringMatching(/^sk-nano-test-[\w-]{8,40}$/);
    fc.assert(
      fc.property(fc.constantFrom("key", "api_key", "sort", "user"), secret, origin, (name, secret, origin) => {
        const key = cacheKey(PRINT, ask(`${name}=${secret}&${secret}=1`), origin);
        expect(key.fingerprint).toBe(PRINT);
        expect(key.variant).not.toContain(secret);
        if (origin !== undefined) expect(key.variant).not.toContain(origin);
        expect(key.variant.length).toBeLessThan(80);
      }),
    );
  });

  test("is the same for the same question, and another for any other list, query, origin or client", () => {
    expect(new Set(everyKey()).size).toBe(2 * 4 * 5 * 4);
    expect(everyKey()).toEqual(everyKey());
  });

  test("does not let query and origin run into each other", () => {
    expect(variant("a=1", "https://a.example")).not.toBe(variant("a=1https://a", ".example"));
    expect(variant("", "detailed=true")).not.toBe(variant("detailed=true", ""));
  });

  test("is one for basic and plain, and one for openrouter and detailed: each pair are views of one list", () => {
    const basic = cacheKey(PRINT, ask("", { shape: "basic" }), undefined);
    expect(basic).toEqual(cacheKey(PRINT, ask(""), undefined));
    const openrouter = cacheKey(PRINT, ask("sort=a", { shape: "openrouter" }), undefined);
    expect(openrouter).toEqual(cacheKey(PRINT, ask("sort=a", { shape: "detailed" }), undefined));
  });
});
