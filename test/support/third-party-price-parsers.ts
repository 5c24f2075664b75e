import { z } from "zod";

/** What a tool shows for a model: prices in dollars per million tokens, and the context length in tokens. */
export interface DisplayedModel {
  readonly input: number | undefined;
  readonly output: number | undefined;
  readonly context: number | undefined;
}

// Roo Code, src/api/providers/fetchers/openrouter.ts (openRouterModelSchema) and src/shared/cost.ts (parseApiPrice).
const rooModel = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string().optional(),
  context_length: z.number(),
  max_completion_tokens: z.number().nullish(),
  pricing: z
    .object({
      prompt: z.string().nullish(),
      completion: z.string().nullish(),
      input_cache_write: z.string().nullish(),
      input_cache_read: z.string().nullish(),
    })
    .optional(),
  architecture: z
    .object({
      input_modalities: z.array(z.string()).nullish(),
      output_modalities: z.array(z.string()).nullish(),
      tokenizer: z.string().nullish(),
    })
    .optional(),
  top_provider: z.object({ max_completion_tokens: z.number().nullish() }).optional(),
  supported_parameters: z.array(z.string()).optional(),
});

const rooPrice = (price: string | null | undefined): number | undefined =>
  price ? parseFloat(price) * 1_000_000 : undefined;

/** Parses a model as Roo Code parses OpenRouter's. Throws if Roo Code's schema rejects it. */
export function readAsRooCode(row: unknown): DisplayedModel & { readonly maxOutput: number | undefined } {
  const model = rooModel.parse(row);
  return {
    input: rooPrice(model.pricing?.prompt),
    output: rooPrice(model.pricing?.completion),
    context: model.context_length,
    maxOutput: model.top_provider?.max_completion_tokens ?? undefined,
  };
}

// LibreChat, packages/api/src/utils/tokens.ts (modelSchema, inputSchema and processModelData).
const libreChatList = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      pricing: z.object({ prompt: z.string(), completion: z.string() }),
      context_length: z.number(),
    }),
  ),
});

/** Parses a list as LibreChat does for its token prices. Throws if LibreChat's schema rejects it. */
export function readAsLibreChat(list: unknown): ReadonlyMap<string, DisplayedModel> {
  const { data } = libreChatList.parse(list);
  return new Map(
    data.map(({ id, pricing, context_length }) => [
      id,
      {
        input: parseFloat(pricing.prompt) * 1_000_000,
        output: parseFloat(pricing.completion) * 1_000_000,
        context: context_length,
      },
    ]),
  );
}

// Kilo Code, src/api/providers/fetchers/nano-gpt.ts (nanoGptModelSchema and parseNanoGptModel).
const kiloList = z.object({
  object: z.string().optional(),
  data: z.array(
    z.object({
      id: z.string(),
      object: z.string().optional(),
      created: z.number().optional(),
      owned_by: z.string().optional(),
      name: z.string().optional(),
      description: z.string().optional(),
      context_length: z.number().nullable().optional(),
      capabilities: z.object({ vision: z.boolean().optional() }).optional(),
      pricing: z
        .object({
          prompt: z.number().optional(),
          completion: z.number().optional(),
          currency: z.string().optional(),
          unit: z.string().optional(),
        })
        .optional(),
      cost_estimate: z.number().nullable().optional(),
      icon_url: z.string().optional(),
    }),
  ),
});

/** Parses a detailed list as Kilo Code parses NanoGPT's. Throws if Kilo Code's schema rejects it. */
export function readAsKiloCode(list: unknown): ReadonlyMap<string, DisplayedModel> {
  return new Map(
    kiloList.parse(list).data.map(({ id, pricing, context_length }) => [
      id,
      {
        input: pricing?.prompt ?? 0,
        output: pricing?.completion ?? 0,
        context: context_length ?? 128_000,
      },
    ]),
  );
}
