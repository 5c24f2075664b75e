import { describe, expect, test } from "vitest";
import { readAsKiloCode, readAsLibreChat, readAsRooCode } from "../support/third-party-price-parsers.ts";
import { ALICE, scene } from "../support/setup.ts";

interface Row {
  readonly id: string;
  readonly context_length: number | null;
  readonly pricing: { readonly prompt: number; readonly completion: number };
}

/** Keylane before the whole catalogue, and what NanoGPT says of each model. */
async function catalogue(settings: Record<string, string> = {}) {
  const found = await scene(settings, [{ key: ALICE }]);
  const rows = found.nano.models as unknown as readonly Row[];
  expect(rows).toHaveLength(643);
  return { ...found, rows };
}

// The tools multiply as doubles: the last digits are theirs.
const near = (value: number): [number, number] => [value, 15 - Math.ceil(Math.log10(value + 1))];

describe("the openrouter shape", () => {
  test.for([
    ["requested", "/openrouter/v1/models"],
    ["requested", "/openrouter/api/v1thinking/models?detailed=false"],
    ["openrouter", "/v1/models"],
    ["openrouter", "/api/personalized/v1/models"],
  ])("with MODELS_SHAPE %s at %s: Roo Code reads every model and NanoGPT's price", async ([shape, path]) => {
    const { list, nano, rows } = await catalogue({ MODELS_SHAPE: shape ?? "" });
    const answer = await list(ALICE, { path: path ?? "" });
    expect(nano.lists().map(({ target }) => target)).toEqual(["/api/personalized/v1/models?detailed=true"]);
    expect(answer.ids()).toEqual(rows.map(({ id }) => id));
    const given = answer.json().data as Record<string, unknown>[];
    for (const [i, row] of rows.entries()) {
      // Five models of the catalogue come without a limit, which is left out; Roo Code then takes the row unchecked.
      if (row.context_length === null) expect(given[i]).not.toHaveProperty("context_length");
      const shown = readAsRooCode(
        row.context_length === null ? { ...given[i], context_length: 0 } : given[i],
      );
      expect(shown.input).toBeCloseTo(...near(row.pricing.prompt));
      expect(shown.output).toBeCloseTo(...near(row.pricing.completion));
      expect(shown.context).toBe(row.context_length ?? 0);
      expect(shown.most).toBeGreaterThan(0);
    }
    expect(answer.text).not.toContain("null");
    expect(answer.text).not.toMatch(/:"[\d.]+e-?\d+"/i);
  });

  test("is what LibreChat's prices come from, for a list whose models all have a limit", async () => {
    const { list, rows } = await catalogue();
    const { data, ...rest } = (await list(ALICE, { path: "/openrouter/v1/models" })).json();
    const limited = rows.filter(({ context_length }) => context_length !== null);
    const ids = new Set(limited.map(({ id }) => id));
    const shown = readAsLibreChat({ ...rest, data: data.filter(({ id }: Row) => ids.has(id)) });
    expect(shown.size).toBe(638);
    for (const { id, pricing, context_length } of limited) {
      const { input = NaN, output = NaN, context } = shown.get(id) ?? {};
      expect(input).toBeCloseTo(...near(pricing.prompt));
      expect(output).toBeCloseTo(...near(pricing.completion));
      expect(context).toBe(context_length);
    }
    // It takes prices of a list as a whole or not at all; the models it lists either way.
    expect(() => readAsLibreChat({ ...rest, data })).toThrow(/context_length/);
  });

  test("shows $0.25 a million where NanoGPT says 0.25", async () => {
    const { list, nano } = await scene();
    const pricing = { prompt: 0.25, completion: 1.25, currency: "USD", unit: "per_million_tokens" };
    const row = { id: "a/b", name: "B", context_length: 8192, pricing };
    nano.fail({ kind: "status", status: 200, body: JSON.stringify({ object: "list", data: [row] }) });
    const one = await list(ALICE, { path: "/openrouter/v1/models/a/b" });
    expect(one.json().pricing).toEqual({ prompt: "0.00000025", completion: "0.00000125" });
    expect(readAsRooCode(one.json())).toMatchObject({ input: 0.25, output: 1.25 });
    const whole = await list(ALICE, { path: "/openrouter/v1/models" });
    expect(readAsLibreChat(whole.json()).get("a/b")).toEqual({ input: 0.25, output: 1.25, context: 8192 });
    expect(whole.json().data).toEqual([one.json()]);
  });

  test("leaves NanoGPT's own numbers to Kilo Code, which reads the detailed shape", async () => {
    const { list, nano, rows } = await catalogue();
    await list(ALICE, { path: "/openrouter/v1/models" });
    const answer = await list(ALICE, { path: "/detailed/v1/models" });
    expect(nano.lists()).toHaveLength(1);
    const shown = readAsKiloCode(answer.json());
    for (const { id, pricing, context_length } of rows) {
      const { prompt: input, completion: output } = pricing;
      expect(shown.get(id)).toEqual({ input, output, context: context_length ?? 128_000 });
    }
  });

  test("has a validator of its own, and is made of basic rows too", async () => {
    const { list, nano } = await scene();
    const path = "/openrouter/v1/models";
    nano.fail({ kind: "status", status: 200, body: '{"data":[{"id":"a","object":"model","created":7}]}' });
    const answer = await list(ALICE, { path });
    expect(answer.json()).toEqual({ object: "list", data: [{ id: "a", created: 7 }] });
    const detailed = await list(ALICE, { path: "/detailed/v1/models" });
    expect(detailed.headers["etag"]).not.toBe(answer.headers["etag"]);
    const again = await list(ALICE, { path, headers: { "if-none-match": String(answer.headers["etag"]) } });
    expect(again.status).toBe(304);
    expect((await list(ALICE, { path: `${path}/b` })).status).toBe(404);
  });
});
