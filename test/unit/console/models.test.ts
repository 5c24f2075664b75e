// The console reads any list and any chat stream without an error, and its snippets are safe to paste.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseModels } from "../../../src/console/models.js";
import { DEFAULT_SELECTION, selectModels } from "../../../src/console/selection.js";
import { createChatReader, tokensPerSecond } from "../../../src/console/sse.js";
import { BASE_URLS, tools } from "../../../src/console/snippets.js";

const priceOf = (pricing: object) =>
  parseModels({ data: [{ id: "a", pricing: { prompt: 3, completion: 4, ...pricing } }] })[0]?.promptPrice;

describe("rows", () => {
  test("of any content are parsed without an error and keep their ids", () => {
    fc.assert(
      fc.property(fc.array(fc.anything()), (rows) => {
        for (const { id, promptPrice } of parseModels({ data: rows })) {
          expect(typeof id).toBe("string");
          expect(promptPrice === undefined || promptPrice >= 0).toBe(true);
        }
      }),
    );
  });

  test("that are missing make the list invalid", () => {
    for (const body of [undefined, null, [], {}, { data: {} }]) expect(() => parseModels(body)).toThrow("no rows");
  });

  test("in another unit or currency have no price, since the page shows dollars per million tokens", () => {
    expect(priceOf({ unit: "per_million_tokens", currency: "USD" })).toBe(3);
    expect(priceOf({ unit: "per_image" })).toBeUndefined();
    expect(priceOf({ currency: "XNO" })).toBeUndefined();
  });

  const models = parseModels({
    data: [
      {
        id: "b/10",
        context_length: 10,
        pricing: { prompt: 1, completion: 2 },
        subscription: { included: true },
      },
      {
        id: "a/2",
        context_length: null,
        capabilities: { vision: true },
        pricing: { prompt: "0.5", completion: 0 },
      },
      {
        id: "a/9",
        context_length: 30,
        name: "Zed",
        description: "Finds NEEDLES",
        subscription: { included: false },
      },
    ],
  });
  const idsOf = (change: object) => selectModels(models, { ...DEFAULT_SELECTION, ...change }).map(({ id }) => id);

  test("without a value come last in both directions", () => {
    expect(idsOf({ column: "context" })).toEqual(["b/10", "a/9", "a/2"]);
    expect(idsOf({ column: "context", isDescending: true })).toEqual(["a/9", "b/10", "a/2"]);
    expect(idsOf({ column: "promptPrice" })).toEqual(["a/2", "b/10", "a/9"]);
    expect(idsOf({ column: "id" })).toEqual(["a/2", "a/9", "b/10"]);
  });

  test("are selected by all search terms and by each filter", () => {
    expect(idsOf({ search: "needles zed" })).toEqual(["a/9"]);
    expect(idsOf({ abilities: ["Vision"] })).toEqual(["a/2"]);
    expect(idsOf({ subscription: "included" })).toEqual(["b/10"]);
    expect(idsOf({ subscription: "extra" })).toEqual(["a/2", "a/9"]);
    expect(idsOf({ maxPrice: 0.5 })).toEqual(["a/2"]);
  });
});

const chunk = (delta: object) => `data: ${JSON.stringify({ choices: [{ delta }] })}\n\n`;

describe("a stream", () => {
  const bytes = new TextEncoder().encode(
    `${chunk({ role: "assistant" })}: note\r\n\r\n${chunk({ reasoning: "Hm" })}${chunk({ content: "grüße 🛰️" })}data: {"usage":{"completion_tokens":5},"choices":[]}\n\ndata: no json\n\ndata: [DONE]\n\n`,
  );

  test("gives the same text wherever it is split", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 8 }), (splits) => {
        const reader = createChatReader();
        const ends = [...splits.sort((a, b) => a - b), bytes.length];
        const deltas = ends.flatMap((end, i) => reader.read(bytes.slice(ends[i - 1] ?? 0, end)));
        expect(deltas.map(({ text }) => text).join("")).toBe("grüße 🛰️");
        expect(deltas.map(({ reasoning }) => reasoning).join("")).toBe("Hm");
        expect(deltas.find(({ tokens }) => tokens !== undefined)?.tokens).toBe(5);
      }),
    );
  });

  test("has its speed measured from the first token to the last", () => {
    expect(tokensPerSecond(11, 500, 1500)).toBe(10);
    expect([tokensPerSecond(1, 500, 1500), tokensPerSecond(5, 500, 500)]).toEqual([undefined, undefined]);
  });
});

test("snippets contain this host's base URL, a placeholder for the key, and a quoted model id", () => {
  const id = `a'"$(x)\\`;
  const setups = tools("https://keys.example/lane", id);
  expect(setups).toHaveLength(10);
  for (const { name, code, fields = [] } of setups) {
    const text = `${code ?? ""}${fields.map(([, value]) => value).join("\n")}`;
    expect(text, name).toContain("https://keys.example/lane");
    expect(text, name).toMatch(/NANOGPT_API_KEY|YOUR_NANOGPT_KEY|user_provided/);
  }
  expect(setups.at(-1)?.code).toContain(`'a'\\''"$(x)\\'`);
  expect(setups[0]?.code).toContain(JSON.stringify(id));
  // Control characters can end a bracketed paste: such an id is replaced by the default model.
  const withControls = tools("https://keys.example", "a\u001B[201~\nid\n\u0015");
  expect(withControls.map(({ code, fields }) => [code, fields])).toEqual(
    tools("https://keys.example").map(({ code, fields }) => [code, fields]),
  );
  expect(tools("http://127.0.0.1:8787")[3]?.code).toContain('"http://host.docker.internal:8787/v1"');
  expect(BASE_URLS.map(([path]) => path)).toContain("/detailed/v1");
});
