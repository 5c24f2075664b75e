import { getProperty } from "./models.js";

/** @import { ChatDelta, ChatReader } from "./types.d.ts" */

/**
 * Creates a parser for a stream of chat completion chunks (server-sent events, WHATWG HTML §9.2).
 * @returns {ChatReader}
 */
export function createChatReader() {
  const decoder = new TextDecoder();
  let rest = "";
  return {
    read(bytes) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? "";
      return lines.flatMap((line) => (line.startsWith("data:") ? parseChunk(line.slice(5).trim()) : []));
    },
  };
}

/**
 * @param {string} data
 * @returns {ChatDelta[]}
 */
function parseChunk(data) {
  if (data === "[DONE]") return [];
  let chunk;
  try {
    chunk = JSON.parse(data);
  } catch {
    return [];
  }
  const choices = getProperty(chunk, "choices");
  const delta = getProperty(Array.isArray(choices) ? choices[0] : undefined, "delta");
  const reasoning = getProperty(delta, "reasoning_content") ?? getProperty(delta, "reasoning");
  const tokens = getProperty(getProperty(chunk, "usage"), "completion_tokens");
  return [
    {
      text: toText(getProperty(delta, "content")),
      reasoning: toText(reasoning),
      tokens: typeof tokens === "number" ? tokens : undefined,
      error: getProperty(chunk, "error"),
    },
  ];
}

/** @param {unknown} value */
const toText = (value) => (typeof value === "string" ? value : "");

/**
 * Returns the speed of a reply per second, without the time to its first token.
 * @param {number} count tokens, or deltas when NanoGPT sent no token count
 * @param {number} fromMs time of the first delta
 * @param {number} toMs time of the last delta
 * @returns {number | undefined}
 */
export function tokensPerSecond(count, fromMs, toMs) {
  return count > 1 && toMs > fromMs ? ((count - 1) * 1000) / (toMs - fromMs) : undefined;
}
