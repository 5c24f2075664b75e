import type { Prompt } from "./prompt.ts";

/** What the stand-in says to a prompt, in the pieces in which it streams. */
export interface Reply {
  readonly text: string;
  readonly pieces: readonly string[];
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** Makes up a reply that quotes the prompt. Characters of several bytes show whether anything cuts text by bytes. */
export function replyTo({ text }: Prompt): Reply {
  const reply = `You said “${text}” – grüße from the stand-in 🛰️.`;
  const pieces = reply.match(/\s*\S+/g) ?? [];
  return { text: reply, pieces, promptTokens: text.split(/\s+/).length, completionTokens: pieces.length };
}
