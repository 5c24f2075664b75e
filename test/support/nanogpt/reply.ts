import type { Prompt } from "./prompt.ts";

/** A reply, also in the pieces in which it is streamed. */
export interface Reply {
  readonly text: string;
  readonly pieces: readonly string[];
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** A reply that quotes the prompt, with multi-byte characters to reveal a cut inside one. */
export function replyTo({ text }: Prompt): Reply {
  const reply = `You said “${text}” – grüße from the stand-in 🛰️.`;
  const pieces = reply.match(/\s*\S+/g) ?? [];
  return { text: reply, pieces, promptTokens: text.split(/\s+/).length, completionTokens: pieces.length };
}
