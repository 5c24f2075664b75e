import type { Model } from "./model-list.ts";
import { perToken } from "./price.ts";

/**
 * A detailed model written the way OpenRouter does, for tools that read names, prices and limits there
 * (https://openrouter.ai/docs/api-reference/list-available-models). What upstream did not say in a form that can be
 * trusted is left out, never null: such tools would show it.
 */
export function openRouterModel(model: Model): Model {
  const contextLength = positiveInteger(model["context_length"]);
  return {
    id: model.id,
    ...known({
      name: text(model["name"]),
      created: integer(model["created"]),
      description: text(model["description"]),
      context_length: contextLength,
      architecture: architecture(fieldsOf(model["architecture"])),
      pricing: pricing(fieldsOf(model["pricing"])),
      top_provider: known({
        context_length: contextLength,
        max_completion_tokens: positiveInteger(model["max_output_tokens"]),
      }),
      supported_parameters: parameters(model["capabilities"]),
    }),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function architecture(fields: Fields): Fields | undefined {
  return known({
    modality: text(fields["modality"]),
    input_modalities: texts(fields["input_modalities"]),
    output_modalities: texts(fields["output_modalities"]),
  });
}

// A price in another unit or currency would be shown as if it were dollars: better none.
function pricing(fields: Fields): Fields | undefined {
  if (fields["unit"] !== "per_million_tokens" || fields["currency"] !== "USD") return undefined;
  return known({
    prompt: perToken(fields["prompt"], 6),
    completion: perToken(fields["completion"], 6),
    // These two say their own unit.
    input_cache_read: perToken(fields["cacheReadInputPer1kTokens"], 3),
    input_cache_write: perToken(fields["cacheWriteInputPer1kTokens"], 3),
  });
}

const PARAMETERS = [
  ["reasoning", ["reasoning", "include_reasoning"]],
  ["tool_calling", ["tools", "tool_choice"]],
  ["parallel_tool_calls", ["parallel_tool_calls"]],
  ["structured_output", ["structured_outputs", "response_format"]],
] as const;

function parameters(capabilities: unknown): readonly string[] | undefined {
  if (!isFields(capabilities)) return undefined;
  return PARAMETERS.flatMap(([capability, names]) => (capabilities[capability] === true ? names : []));
}

/** Gives the fields that have a value; undefined where none has. */
function known(fields: Fields): Fields | undefined {
  const found = Object.entries(fields).filter(([, value]) => value !== undefined);
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {};
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function texts(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) && value.every((one) => typeof one === "string") ? value : undefined;
}

function integer(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : undefined;
}

function positiveInteger(value: unknown): number | undefined {
  const found = integer(value);
  return found === undefined || found <= 0 ? undefined : found;
}
