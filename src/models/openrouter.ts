import { isJsonObject, type JsonObject } from "../http/json.ts";
import type { Model } from "./model-list.ts";
import { perToken } from "./price.ts";

/**
 * A detailed model in OpenRouter's shape, for tools that read names, prices and limits there
 * (https://openrouter.ai/docs/api-reference/list-available-models). A value that upstream left out, or sent in an unknown
 * form, is left out too, never null: tools would show it.
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

function architecture(fields: JsonObject): JsonObject | undefined {
  return known({
    modality: text(fields["modality"]),
    input_modalities: texts(fields["input_modalities"]),
    output_modalities: texts(fields["output_modalities"]),
  });
}

// Tools would show a price in another unit or currency as dollars.
function pricing(fields: JsonObject): JsonObject | undefined {
  if (fields["unit"] !== "per_million_tokens" || fields["currency"] !== "USD") return undefined;
  return known({
    prompt: perToken(fields["prompt"], 6),
    completion: perToken(fields["completion"], 6),
    // These two names include their unit.
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
  if (!isJsonObject(capabilities)) return undefined;
  return PARAMETERS.flatMap(([capability, names]) => (capabilities[capability] === true ? names : []));
}

/** The fields that have a value; undefined where none has. */
function known(fields: JsonObject): JsonObject | undefined {
  const found = Object.entries(fields).filter(([, value]) => value !== undefined);
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

function fieldsOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
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
