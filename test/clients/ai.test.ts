// The Vercel AI SDK generates and streams text through Keylane, with four providers.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText, type LanguageModel } from "ai";
import { describe, expect, test } from "vitest";
import { ALICE } from "../support/setup.ts";
import { RUNTIMES, MODEL, PROMPT, REPLY, startOn } from "./keylanes.ts";

const apiKey = ALICE;
const PROVIDERS: readonly (readonly [string, (baseURL: string) => LanguageModel])[] = [
  ["@ai-sdk/openai-compatible", (baseURL) => createOpenAICompatible({ name: "keylane", baseURL, apiKey })(MODEL)],
  ["@ai-sdk/openai over the Responses API", (baseURL) => createOpenAI({ baseURL, apiKey })(MODEL)],
  ["@ai-sdk/openai over chat completions", (baseURL) => createOpenAI({ baseURL, apiKey }).chat(MODEL)],
  ["@ai-sdk/anthropic", (baseURL) => createAnthropic({ baseURL, apiKey })(MODEL)],
];
const CASES = PROVIDERS.flatMap(([name, make]) => RUNTIMES.map((runtime) => [name, runtime, make] as const));

// It does not request lists.
describe.for(CASES)("the package ai with %s, with Keylane on %s", ([, runtime, make]) => {
  const model = async () => {
    const { url } = await startOn(runtime);
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
    for await (const chunk of textStream) text += chunk;
    expect(text).toBe(REPLY);
  });
});
