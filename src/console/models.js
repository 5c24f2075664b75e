/** @import { Model } from "./types.d.ts" */

/** The abilities of models in the order of display, each with NanoGPT's name for it in `capabilities`. */
export const ABILITIES = /** @type {const} */ ([
  ["Vision", "vision"],
  ["Tools", "tool_calling"],
  ["Reasoning", "reasoning"],
  ["JSON", "structured_output"],
  ["PDF", "pdf_upload"],
  ["Audio", "audio_input"],
  ["Video", "video_input"],
]);

const SEARCH_TEXT_MAX_LENGTH = 4000;
const PER_MILLION = "per_million_tokens";

/**
 * Parses the body of a list response. Rows without an id are left out; a body without rows is a TypeError.
 * @param {unknown} body
 * @returns {Model[]}
 */
export function parseModels(body) {
  const rows = getProperty(body, "data");
  if (!Array.isArray(rows)) throw new TypeError("The list has no rows.");
  return rows.flatMap((row) => parseModel(row) ?? []);
}

/**
 * @param {unknown} row
 * @returns {Model | undefined}
 */
function parseModel(row) {
  const id = toText(getProperty(row, "id"));
  if (id === undefined) return undefined;
  const name = toText(getProperty(row, "name")) ?? "";
  const owner = toText(getProperty(row, "owned_by")) ?? "";
  const description = toText(getProperty(row, "description")) ?? "";
  const pricing = getProperty(row, "pricing");
  const unit = getProperty(pricing, "unit") ?? PER_MILLION;
  const hasPrices = unit === PER_MILLION && (getProperty(pricing, "currency") ?? "USD") === "USD";
  const included = getProperty(getProperty(row, "subscription"), "included");
  const capabilities = getProperty(row, "capabilities");
  const modalities = getProperty(getProperty(row, "architecture"), "input_modalities");
  const acceptsImages = Array.isArray(modalities) && modalities.includes("image");
  return {
    id,
    name,
    owner,
    context: toAmount(getProperty(row, "context_length")),
    output: toAmount(getProperty(row, "max_output_tokens")),
    promptPrice: hasPrices ? toAmount(getProperty(pricing, "prompt")) : undefined,
    completionPrice: hasPrices ? toAmount(getProperty(pricing, "completion")) : undefined,
    abilities: ABILITIES.filter(
      ([ability, flag]) => getProperty(capabilities, flag) === true || (ability === "Vision" && acceptsImages),
    ).map(([ability]) => ability),
    included: typeof included === "boolean" ? included : undefined,
    searchText: `${name}\n${id}\n${owner}\n${description}`.slice(0, SEARCH_TEXT_MAX_LENGTH).toLowerCase(),
  };
}

/**
 * Returns an own property of any value, or undefined.
 * @param {unknown} value
 * @param {string} name
 * @returns {unknown}
 */
export function getProperty(value, name) {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return Reflect.get(value, name);
}

/**
 * @param {unknown} value
 * @returns {string | undefined}
 */
function toText(value) {
  return typeof value === "string" ? value : undefined;
}

/**
 * @param {unknown} value
 * @returns {number | undefined}
 */
function toAmount(value) {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) && number >= 0 ? number : undefined;
}
