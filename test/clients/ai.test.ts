import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";
import { describe, expect, test } from "vitest";
import { ALICE } from "../support/scene.ts";
import { KEYLANES, MODEL, PROMPT, REPLY, served } from "./keylanes.ts";

// It has no call for lists.
describe.for(KEYLANES)("the package ai, before Keylane on %s", (where) => {
  const model = async () => {
    const { url } = await served(where);
    return createOpenAICompatible({ name: "keylane", baseURL: `${url}/v1`, apiKey: ALICE })(MODEL);
  };

  test("generates text", async () => {
    const { text, usage } = await generateText({ model: await model(), prompt: PROMPT, maxRetries: 0 });
    expect(text).toBe(REPLY);
    expect(usage.inputTokens).toBe(2);
  });

  test("streams text", async () => {
    const { textStream } = streamText({ model: await model(), prompt: PROMPT, maxRetries: 0 });
    let text = "";
    for await (const piece of textStream) text += piece;
    expect(text).toBe(REPLY);
  });
});
