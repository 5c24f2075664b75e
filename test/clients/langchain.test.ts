// LangChain's OpenAI package chats through Keylane.
import { expect, test } from "vitest";
import { ALICE } from "../support/setup.ts";
import { describeIfInstalled, importInstalled } from "./installed.ts";
import { RUNTIMES, MODEL, PROMPT, REPLY, startOn } from "./keylanes.ts";

interface Langchain {
  readonly ChatOpenAI: new (options: object) => {
    invoke(prompt: string): Promise<{ content: string }>;
    stream(prompt: string): Promise<AsyncIterable<{ content: string }>>;
  };
}

// It does not request lists.
describeIfInstalled("@langchain/openai")("the package @langchain/openai", () => {
  test.for(RUNTIMES)("chats, plain and streamed, with Keylane on %s", async (runtime) => {
    const { url } = await startOn(runtime);
    const { ChatOpenAI } = await importInstalled<Langchain>("@langchain/openai");
    const configuration = { baseURL: `${url}/v1` };
    const chat = new ChatOpenAI({ model: MODEL, apiKey: ALICE, maxRetries: 0, configuration });
    expect((await chat.invoke(PROMPT)).content).toBe(REPLY);
    let text = "";
    for await (const { content } of await chat.stream(PROMPT)) text += content;
    expect(text).toBe(REPLY);
  });
});
