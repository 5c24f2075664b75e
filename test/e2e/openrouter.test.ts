// The openrouter shape gives Roo Code and LibreChat the prices and limits that NanoGPT publishes.
import { describe, expect, test } from "vitest";
import { readAsKiloCode, readAsLibreChat, readAsRooCode } from "../support/third-party-price-parsers.ts";
import { ALICE, setup } from "../support/setup.ts";

interface Row {
  readonly id: string;
  readonly context_length: number | null;
  readonly pricing: { readonly prompt: number; readonly completion: number };
}

/** A setup with the full catalog, and NanoGPT's row of each model. */
async function catalogSetup(settings: Record<string, string> = {}) {
  const all = await setup(settings, [{ key: ALICE }]);
  const rows = all.nano.models as unknown as readonly Row[];
  expect(rows).toHaveLength(643);
  return { ...all, rows };
}

// Tools multiply prices as doubles, so the last digits may differ.
const closeTo = (value: number): [number, number] => [value, 15 - Math.ceil(Math.log10(value + 1))];

describe("the openrouter shape", () => {
  test.for([
    ["requested", "/openrouter/v1/models"],
    ["requested", "/openrouter/api/v1thinking/models?detailed=false"],
    ["openrouter", "/v1/models"],
    ["openrouter", "/api/personalized/v1/models"],
  ])("with MODELS_SHAPE %s at %s: Roo Code reads every model and NanoGPT's price", async ([shape, path]) => {
    const { list, nano, rows } = await catalogSetup({ MODELS_SHAPE: shape ?? "" });
    const answer = await list(ALICE, { path: path ?? "" });
    expect(nano.lists().map(({ target }) => target)).toEqual(["/api/personalized/v1/models?detailed=true"]);
    expect(answer.ids()).toEqual(rows.map(({ id }) => id));
    const served = answer.json().data as Record<string, unknown>[];
    for (const [i, row] of rows.entries()) {
      // Five models have no context length, so the field is left out; Roo Code then uses the row without validation.
      if (row.context_length === null) expect(served[i]).not.toHaveProperty("context_length");
      const shown = readAsRooCode(row.context_length === null ? { ...served[i], context_length: 0 } : served[i]);
      expect(shown.input).toBeCloseTo(...closeTo(row.pricing.prompt));
      expect(shown.output).toBeCloseTo(...closeTo(row.pricing.completion));
      expect(shown.context).toBe(row.context_length ?? 0);
      expect(shown.maxOutput).toBeGreaterThan(0);
    }
    expect(answer.text).not.toContain("null");
    expect(answer.text).not.toMatch(/:"[\d.]+e-?\d+"/i);
  });

  test("gives LibreChat its prices where all models have a context length", async () => {
    const { list, rows } = await catalogSetup();
    const { data, ...rest } = (await list(ALICE, { path: "/openrouter/v1/models" })).json();
    const limited = rows.filter(({ context_length }) => context_length !== null);
    const ids = new Set(limited.map(({ id }) => id));
    const shown = readAsLibreChat({ ...rest, data: data.filter(({ id }: Row) => ids.has(id)) });
    expect(shown.size).toBe(638);
    for (const { id, pricing, context_length } of limited) {
      const { input = NaN, output = NaN, context } = shown.get(id) ?? {};
      expect(input).toBeCloseTo(...closeTo(pricing.prompt));
      expect(output).toBeCloseTo(...closeTo(pricing.completion));
      expect(context).toBe(context_length);
    }
    // LibreChat validates the list as a whole: with one model without a context length it lists models, but no prices.
    expect(() => readAsLibreChat({ ...rest, data })).toThrow(/context_length/);
  });

  test("shows $0.25 per million tokens where NanoGPT has 0.25", async () => {
    const { list, nano } = await setup();
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

  test("leaves the detailed shape, which Kilo Code reads, with NanoGPT's own numbers", async () => {
    const { list, nano, rows } = await catalogSetup();
    await list(ALICE, { path: "/openrouter/v1/models" });
    const answer = await list(ALICE, { path: "/detailed/v1/models" });
    expect(nano.lists()).toHaveLength(1);
    const shown = readAsKiloCode(answer.json());
    for (const { id, pricing, context_length } of rows) {
      const { prompt: input, completion: output } = pricing;
      expect(shown.get(id)).toEqual({ input, output, context: context_length ?? 128_000 });
    }
  });

  test("has its own ETag, and is derived from basic rows too", async () => {
    const { list, nano } = await setup();
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
