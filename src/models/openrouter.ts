import { isJsonObject, type JsonObject } from "../http/json.ts";
import type { Model } from "./model-list.ts";
import { perToken } from "./price.ts";

/**
 * A detailed model in the shape of OpenRouter's API, for tools that read names, prices and limits in it
 * (https://openrouter.ai/docs/api-reference/list-available-models). A value that upstream left out or sent in an
 * unknown form is left out, never null: tools would show null.
 */
export function openRouterModel(model: Model): Model {
  const contextLength = positiveInteger(model["context_length"]);
  return {
    id: model.id,
    ...definedFields({
      name: nonEmptyString(model["name"]),
      created: integer(model["created"]),
      description: nonEmptyString(model["description"]),
      context_length: contextLength,
      architecture: architecture(objectOrEmpty(model["architecture"])),
      pricing: pricing(objectOrEmpty(model["pricing"])),
      top_provider: definedFields({
        context_length: contextLength,
        max_completion_tokens: positiveInteger(model["max_output_tokens"]),
      }),
      supported_parameters: supportedParameters(model["capabilities"]),
    }),
  };
}

function architecture(fields: JsonObject): JsonObject | undefined {
  return definedFields({
    modality: nonEmptyString(fields["modality"]),
    input_modalities: strings(fields["input_modalities"]),
    output_modalities: strings(fields["output_modalities"]),
  });
}

// Tools would show a price in another unit or currency as if it were dollars.
function pricing(fields: JsonObject): JsonObject | undefined {
  if (fields["unit"] !== "per_million_tokens" || fields["currency"] !== "USD") return undefined;
  return definedFields({
    prompt: perToken(fields["prompt"], 6),
    completion: perToken(fields["completion"], 6),
    // The names of these two fields include their unit.
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

function supportedParameters(capabilities: unknown): readonly string[] | undefined {
  if (!isJsonObject(capabilities)) return undefined;
  return PARAMETERS.flatMap(([capability, names]) => (capabilities[capability] === true ? names : []));
}

/** The fields that have a value; undefined where none has. */
function definedFields(fields: JsonObject): JsonObject | undefined {
  const defined = Object.entries(fields).filter(([, value]) => value !== undefined);
  return defined.length === 0 ? undefined : Object.fromEntries(defined);
}

function objectOrEmpty(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

function nonEmptyString(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function strings(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined;
}

function integer(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : undefined;
}

function positiveInteger(value: unknown): number | undefined {
  const number = integer(value);
  return number === undefined || number <= 0 ? undefined : number;
}
