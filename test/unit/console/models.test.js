import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { modelsOf } from "../../../src/console/models.js";
import { EVERYTHING, selected } from "../../../src/console/selection.js";
import { chatReader, pace } from "../../../src/console/sse.js";
import { BASES, tools } from "../../../src/console/snippets.js";
const priceOf = (more) =>
  modelsOf({ data: [{ id: "a", pricing: { prompt: 3, completion: 4, ...more } }] })[0]?.promptPrice;
describe("rows", () => {
  test("of any kind are read without an error, and shown under their own ids", () => {
    fc.assert(
      fc.property(fc.array(fc.anything()), (rows) => {
        for (const { id, promptPrice } of modelsOf({ data: rows })) {
          expect(typeof id).toBe("string");
          expect(promptPrice === undefined || promptPrice >= 0).toBe(true);
        }
      }),
    );
  });
  test("that are none are no list", () => {
    for (const body of [undefined, null, [], {}, { data: {} }])
      expect(() => modelsOf(body)).toThrow("no rows");
  });
  test("in another unit or currency have no price: it would be shown as dollars", () => {
    expect(priceOf({ unit: "per_million_tokens", currency: "USD" })).toBe(3);
    expect(priceOf({ unit: "per_image" })).toBeUndefined();
    expect(priceOf({ currency: "XNO" })).toBeUndefined();
  });
  const models = modelsOf({
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
  const idsOf = (change) => selected(models, { ...EVERYTHING, ...change }).map(({ id }) => id);
  test("without a value come last, up and down", () => {
    expect(idsOf({ column: "context" })).toEqual(["b/10", "a/9", "a/2"]);
    expect(idsOf({ column: "context", isDescending: true })).toEqual(["a/9", "b/10", "a/2"]);
    expect(idsOf({ column: "promptPrice" })).toEqual(["a/2", "b/10", "a/9"]);
    expect(idsOf({ column: "id" })).toEqual(["a/2", "a/9", "b/10"]);
  });
  test("are found by every word, and kept by every filter", () => {
    expect(idsOf({ search: "needles zed" })).toEqual(["a/9"]);
    expect(idsOf({ abilities: ["Vision"] })).toEqual(["a/2"]);
    expect(idsOf({ subscription: "included" })).toEqual(["b/10"]);
    expect(idsOf({ subscription: "extra" })).toEqual(["a/2", "a/9"]);
    expect(idsOf({ maxPrice: 0.5 })).toEqual(["a/2"]);
  });
});
const chunk = (delta) => `data: ${JSON.stringify({ choices: [{ delta }] })}\n\n`;
describe("a stream", () => {
  const bytes = new TextEncoder().encode(
    `${chunk({ role: "assistant" })}: note\r\n\r\n${chunk({ reasoning: "Hm" })}${chunk({ content: "grüße 🛰️" })}data: {"usage":{"completion_tokens":5},"choices":[]}\n\ndata: no json\n\ndata: [DONE]\n\n`,
  );
  test("is read the same wherever it is cut", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 8 }), (cuts) => {
        const reader = chatReader();
        const ends = [...cuts.sort((a, b) => a - b), bytes.length];
        const pieces = ends.flatMap((end, i) => reader.read(bytes.slice(ends[i - 1] ?? 0, end)));
        expect(pieces.map(({ text }) => text).join("")).toBe("grüße 🛰️");
        expect(pieces.map(({ thought }) => thought).join("")).toBe("Hm");
        expect(pieces.find(({ tokens }) => tokens !== undefined)?.tokens).toBe(5);
      }),
    );
  });
  test("has a pace from its first token to its last", () => {
    expect(pace(11, 500, 1500)).toBe(10);
    expect([pace(1, 500, 1500), pace(5, 500, 500)]).toEqual([undefined, undefined]);
  });
});
test("what is given to paste has this host's address, a placeholder for the key, and an id that cannot break out", () => {
  const id = `a'"$(x)\\`;
  const given = tools("https://keys.example/lane", id);
  expect(given).toHaveLength(10);
  for (const { name, code, fields = [] } of given) {
    const text = `${code ?? ""}${fields.map(([, value]) => value).join("\n")}`;
    expect(text, name).toContain("https://keys.example/lane");
    expect(text, name).toMatch(/NANOGPT_API_KEY|YOUR_NANOGPT_KEY|user_provided/);
  }
  expect(given.at(-1)?.code).toContain(`'a'\\''"$(x)\\'`);
  expect(given[0]?.code).toContain(JSON.stringify(id));
  // A terminal runs a line that is pasted, and control characters end what it takes as one piece.
  const odd = tools("https://keys.example", "a\u001B[201~\nid\n\u0015");
  expect(odd.map(({ code, fields }) => [code, fields])).toEqual(
    tools("https://keys.example").map(({ code, fields }) => [code, fields]),
  );
  expect(tools("http://127.0.0.1:8787")[3]?.code).toContain('"http://host.docker.internal:8787/v1"');
  expect(BASES.map(([path]) => path)).toContain("/detailed/v1");
});
