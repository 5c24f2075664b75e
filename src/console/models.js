/** @import { Model } from "./types.d.ts" */

/** What a model can do, in the order it is shown, with NanoGPT's names for it. */
export const ABILITIES = /** @type {const} */ ([
  ["Vision", "vision"],
  ["Tools", "tool_calling"],
  ["Reasoning", "reasoning"],
  ["JSON", "structured_output"],
  ["PDF", "pdf_upload"],
  ["Audio", "audio_input"],
  ["Video", "video_input"],
]);

const SOUGHT_MAX_LENGTH = 4000;

/**
 * Reads the rows of a list answer.
 * @param {unknown} body
 * @returns {Model[]}
 */
export function modelsOf(body) {
  const rows = field(body, "data");
  if (!Array.isArray(rows)) throw new TypeError("The list has no rows.");
  return rows.flatMap((row) => modelOf(row) ?? []);
}

/**
 * @param {unknown} row
 * @returns {Model | undefined}
 */
function modelOf(row) {
  const id = text(field(row, "id"));
  if (id === undefined) return undefined;
  const name = text(field(row, "name")) ?? "";
  const owner = text(field(row, "owned_by")) ?? "";
  const description = text(field(row, "description")) ?? "";
  const pricing = field(row, "pricing");
  const unit = field(pricing, "unit") ?? PER_MILLION;
  const isShown = unit === PER_MILLION && (field(pricing, "currency") ?? "USD") === "USD";
  const included = field(field(row, "subscription"), "included");
  const capabilities = field(row, "capabilities");
  const modalities = field(field(row, "architecture"), "input_modalities");
  const seesImages = Array.isArray(modalities) && modalities.includes("image");
  return {
    id,
    name,
    owner,
    context: amount(field(row, "context_length")),
    output: amount(field(row, "max_output_tokens")),
    promptPrice: isShown ? amount(field(pricing, "prompt")) : undefined,
    completionPrice: isShown ? amount(field(pricing, "completion")) : undefined,
    abilities: ABILITIES.filter(
      ([ability, flag]) => field(capabilities, flag) === true || (ability === "Vision" && seesImages),
    ).map(([ability]) => ability),
    included: typeof included === "boolean" ? included : undefined,
    sought: `${name}\n${id}\n${owner}\n${description}`.slice(0, SOUGHT_MAX_LENGTH).toLowerCase(),
  };
}

const PER_MILLION = "per_million_tokens";

/**
 * Gives a field of what may be anything.
 * @param {unknown} value
 * @param {string} name
 * @returns {unknown}
 */
export function field(value, name) {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return Reflect.get(value, name);
}

/**
 * @param {unknown} value
 * @returns {string | undefined}
 */
function text(value) {
  return typeof value === "string" ? value : undefined;
}

/**
 * @param {unknown} value
 * @returns {number | undefined}
 */
function amount(value) {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) && number >= 0 ? number : undefined;
}
