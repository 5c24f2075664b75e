import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText, type LanguageModel } from "ai";
import { describe, expect, test } from "vitest";
import { ALICE } from "../support/setup.ts";
import { KEYLANES, MODEL, PROMPT, REPLY, served } from "./keylanes.ts";

const apiKey = ALICE;
const PROVIDERS: readonly (readonly [string, (baseURL: string) => LanguageModel])[] = [
  ["@ai-sdk/openai-compatible", (baseURL) => createOpenAICompatible({ name: "keylane", baseURL, apiKey })(MODEL)],
  ["@ai-sdk/openai, by its responses", (baseURL) => createOpenAI({ baseURL, apiKey })(MODEL)],
  ["@ai-sdk/openai, by its chat", (baseURL) => createOpenAI({ baseURL, apiKey }).chat(MODEL)],
  ["@ai-sdk/anthropic", (baseURL) => createAnthropic({ baseURL, apiKey })(MODEL)],
];
const CASES = PROVIDERS.flatMap(([name, make]) => KEYLANES.map((where) => [name, where, make] as const));

// It has no call for lists.
describe.for(CASES)("the package ai with %s, before Keylane on %s", ([, where, make]) => {
  const model = async () => {
    const { url } = await served(where);
    return make(`${url}/v1`);
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
