import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openRouterModel } from "../../src/models/openrouter.ts";
import { perToken } from "../../src/models/price.ts";

const price = fc.oneof(
  fc.double({ min: 1e-11, max: 1e6, noNaN: true }),
  fc.double({ min: 0, max: 100, noNaN: true }).filter((value) => value === 0 || value >= 1e-11),
  // As people write them.
  fc.tuple(fc.nat(1_000_000), fc.nat(6)).map(([digits, places]) => Number(`${digits}e-${places}`)),
);
const places = fc.constantFrom(0, 3, 6);

/** Moves the point of a plain decimal to the right, on the text: nothing is rounded. */
function multiplied(decimal: string, places: number): number {
  const [whole = "", fraction = ""] = decimal.split(".");
  const digits = fraction.padEnd(places, "0");
  return Number(`${whole}${digits.slice(0, places)}.${digits.slice(places)}`);
}

describe("a price per token", () => {
  test("is a plain decimal, and read back and multiplied the same number", () => {
    fc.assert(
      fc.property(price, places, (value, places) => {
        const written = perToken(value, places) ?? "nothing";
        expect(written).toMatch(/^(?:0|[1-9]\d*)(?:\.\d*[1-9])?$/);
        expect(multiplied(written, places)).toBe(value === 0 ? 0 : value);
      }),
      { numRuns: 2000 },
    );
  });

  test("is as small as it looks in the tools that multiply it", () => {
    fc.assert(
      fc.property(price, (value) => {
        const shown = parseFloat(perToken(value, 6) ?? "") * 1_000_000;
        expect(Math.abs(shown - value)).toBeLessThanOrEqual(value * 2 ** -51);
      }),
    );
  });

  test.for([
    [0.25, "0.00000025"],
    [0, "0"],
    [-0, "0"],
    [3, "0.000003"],
    [1312.5, "0.0013125"],
    [1e6, "1"],
    [0.49299999999999994, "0.00000049299999999999994"],
    [1e-11, "0.00000000000000001"],
  ] as const)("of %s a million is %s", ([value, written]) => {
    expect(perToken(value, 6)).toBe(written);
  });

  test.for([-0.25, -1e-30, NaN, Infinity, -Infinity, 1e-12, 5e-324, 1_000_001, 1e300, "0.25", null, {}, true])(
    "of %s is none",
    (value) => {
      expect(perToken(value, 6)).toBeUndefined();
    },
  );
});

const DETAILED = {
  id: "a/b:c",
  object: "model",
  created: 1_754_092_800,
  owned_by: "a",
  name: "B",
  description: "About B",
  context_length: 262_144,
  max_output_tokens: 8192,
  architecture: {
    modality: "text+image->text",
    input_modalities: ["text", "image"],
    output_modalities: ["text"],
    secret: 1,
  },
  capabilities: { vision: true, reasoning: true, tool_calling: true, structured_output: true },
  pricing: {
    prompt: 0.25,
    completion: 2,
    cacheReadInputPer1kTokens: 0.000025,
    currency: "USD",
    unit: "per_million_tokens",
  },
  subscription: { included: true },
  icon_url: "/icon.png",
};

describe("a model as OpenRouter writes it", () => {
  test("has these fields and no other", () => {
    expect(openRouterModel(DETAILED)).toStrictEqual({
      id: "a/b:c",
      name: "B",
      created: 1_754_092_800,
      description: "About B",
      context_length: 262_144,
      architecture: {
        modality: "text+image->text",
        input_modalities: ["text", "image"],
        output_modalities: ["text"],
      },
      pricing: { prompt: "0.00000025", completion: "0.000002", input_cache_read: "0.000000025" },
      top_provider: { context_length: 262_144, max_completion_tokens: 8192 },
      supported_parameters: [
        "reasoning",
        "include_reasoning",
        "tools",
        "tool_choice",
        "structured_outputs",
        "response_format",
      ],
    });
  });

  test("knows no more than upstream said", () => {
    expect(openRouterModel({ id: "a" })).toStrictEqual({ id: "a" });
    const silent = Object.fromEntries(Object.keys(DETAILED).map((name) => [name, null]));
    expect(openRouterModel({ ...silent, id: "a" })).toStrictEqual({ id: "a" });
    expect(openRouterModel({ id: "a", capabilities: {} })).toStrictEqual({
      id: "a",
      supported_parameters: [],
    });
  });

  test.for([
    { unit: "per_token" },
    { unit: "per_1k_tokens" },
    { unit: undefined },
    { currency: "EUR" },
    { currency: undefined },
    { currency: "usd cents" },
    { prompt: -1, completion: "2", cacheReadInputPer1kTokens: NaN },
  ])("has no price where upstream's is %o", (change) => {
    const pricing = { ...DETAILED.pricing, ...change };
    expect(openRouterModel({ ...DETAILED, pricing })).not.toHaveProperty("pricing");
  });

  test("keeps the one price of two that can be read", () => {
    const pricing = { ...DETAILED.pricing, prompt: null, cacheReadInputPer1kTokens: undefined };
    expect(openRouterModel({ ...DETAILED, pricing })["pricing"]).toStrictEqual({ completion: "0.000002" });
  });

  test.for([0, -1, 1.5, 1e300, NaN, "8192", null, [8192]])("has no limit of %o tokens", (limit) => {
    const made = openRouterModel({ ...DETAILED, context_length: limit, max_output_tokens: limit });
    expect(made).not.toHaveProperty("context_length");
    expect(made).not.toHaveProperty("top_provider");
  });

  test("is made of whatever JSON upstream sends: no null, nothing but the wanted types", () => {
    const json = fc.jsonValue({ depthSize: "small" });
    const row = fc.record(Object.fromEntries(Object.keys(DETAILED).map((name) => [name, fc.oneof(json, fc.object())])));
    fc.assert(
      fc.property(row, fc.string(), (row, id) => {
        const made = openRouterModel({ ...row, id });
        expect(made.id).toBe(id);
        expect(JSON.stringify(made)).not.toContain(":null");
        const { name, created, context_length } = made;
        expect(["string", "undefined"]).toContain(typeof name);
        for (const number of [created, context_length]) {
          expect(number === undefined || Number.isInteger(number)).toBe(true);
        }
      }),
    );
  });
});
