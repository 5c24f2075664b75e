// A model in OpenRouter's shape has exact prices and nothing that upstream did not send.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openRouterModel } from "../../src/models/openrouter.ts";
import { perToken } from "../../src/models/price.ts";

const price = fc.oneof(
  fc.double({ min: 1e-11, max: 1e6, noNaN: true }),
  fc.double({ min: 0, max: 100, noNaN: true }).filter((value) => value === 0 || value >= 1e-11),
  // Prices with a few decimal digits.
  fc.tuple(fc.nat(1_000_000), fc.nat(6)).map(([digits, places]) => Number(`${digits}e-${places}`)),
);
const places = fc.constantFrom(0, 3, 6);

/** Multiplies a decimal by 10^`places` by moving its point in the text, without rounding. */
function multiply(decimal: string, places: number): number {
  const [whole = "", fraction = ""] = decimal.split(".");
  const digits = fraction.padEnd(places, "0");
  return Number(`${whole}${digits.slice(0, places)}.${digits.slice(places)}`);
}

describe("a price per token", () => {
  test("is a decimal without exponent that multiplies back to the same number", () => {
    fc.assert(
      fc.property(price, places, (value, places) => {
        const written = perToken(value, places) ?? "undefined";
        expect(written).toMatch(/^(?:0|[1-9]\d*)(?:\.\d*[1-9])?$/);
        expect(multiply(written, places)).toBe(value === 0 ? 0 : value);
      }),
      { numRuns: 2000 },
    );
  });

  test("is right within rounding in tools that multiply it as a number", () => {
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
  ] as const)("is, for %s per million, %s", ([value, written]) => {
    expect(perToken(value, 6)).toBe(written);
  });

  test.for([-0.25, -1e-30, NaN, Infinity, -Infinity, 1e-12, 5e-324, 1_000_001, 1e300, "0.25", null, {}, true])(
    "is undefined for %s",
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

describe("a model in OpenRouter's shape", () => {
  test("has these fields and no others", () => {
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

  test("has no field that upstream left out or sent as null", () => {
    expect(openRouterModel({ id: "a" })).toStrictEqual({ id: "a" });
    const nulls = Object.fromEntries(Object.keys(DETAILED).map((name) => [name, null]));
    expect(openRouterModel({ ...nulls, id: "a" })).toStrictEqual({ id: "a" });
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
  ])("has no price if upstream's has %o", (change) => {
    const pricing = { ...DETAILED.pricing, ...change };
    expect(openRouterModel({ ...DETAILED, pricing })).not.toHaveProperty("pricing");
  });

  test("keeps a valid price beside missing ones", () => {
    const pricing = { ...DETAILED.pricing, prompt: null, cacheReadInputPer1kTokens: undefined };
    expect(openRouterModel({ ...DETAILED, pricing })["pricing"]).toStrictEqual({ completion: "0.000002" });
  });

  test.for([0, -1, 1.5, 1e300, NaN, "8192", null, [8192]])("has no limit of %o tokens", (limit) => {
    const result = openRouterModel({ ...DETAILED, context_length: limit, max_output_tokens: limit });
    expect(result).not.toHaveProperty("context_length");
    expect(result).not.toHaveProperty("top_provider");
  });

  test("has no nulls and only fields of the right types, for any JSON from upstream", () => {
    const json = fc.jsonValue({ depthSize: "small" });
    const row = fc.record(Object.fromEntries(Object.keys(DETAILED).map((name) => [name, fc.oneof(json, fc.object())])));
    fc.assert(
      fc.property(row, fc.string(), (row, id) => {
        const result = openRouterModel({ ...row, id });
        expect(result.id).toBe(id);
        expect(JSON.stringify(result)).not.toContain(":null");
        const { name, created, context_length } = result;
        expect(["string", "undefined"]).toContain(typeof name);
        for (const number of [created, context_length]) {
          expect(number === undefined || Number.isInteger(number)).toBe(true);
        }
      }),
    );
  });
});
