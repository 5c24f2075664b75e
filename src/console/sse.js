import { field } from "./models.js";

/** @import { ChatReader, Piece } from "./types.d.ts" */

/**
 * Reads a stream of chat completion chunks (server-sent events, WHATWG HTML §9.2).
 * @returns {ChatReader}
 */
export function chatReader() {
  const decoder = new TextDecoder();
  let rest = "";
  return {
    read(bytes) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? "";
      return lines.flatMap((line) => (line.startsWith("data:") ? pieceOf(line.slice(5).trim()) : []));
    },
  };
}

/**
 * @param {string} data
 * @returns {Piece[]}
 */
function pieceOf(data) {
  if (data === "[DONE]") return [];
  let chunk;
  try {
    chunk = JSON.parse(data);
  } catch {
    return [];
  }
  const choices = field(chunk, "choices");
  const delta = field(Array.isArray(choices) ? choices[0] : undefined, "delta");
  const thought = field(delta, "reasoning_content") ?? field(delta, "reasoning");
  const tokens = field(field(chunk, "usage"), "completion_tokens");
  return [
    {
      text: text(field(delta, "content")),
      thought: text(thought),
      tokens: typeof tokens === "number" ? tokens : undefined,
      error: field(chunk, "error"),
    },
  ];
}

/** @param {unknown} value */
const text = (value) => (typeof value === "string" ? value : "");

/**
 * Says how fast a reply came. The first token has been waited for, and is no part of the pace.
 * @param {number} count tokens, or pieces where nobody counted tokens
 * @param {number} fromMs when the first one came
 * @param {number} toMs when the last one came
 * @returns {number | undefined} a second
 */
export function pace(count, fromMs, toMs) {
  return count > 1 && toMs > fromMs ? ((count - 1) * 1000) / (toMs - fromMs) : undefined;
}
