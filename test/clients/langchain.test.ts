import { expect, test } from "vitest";
import { ALICE } from "../support/setup.ts";
import { describeWith, installed } from "./installed.ts";
import { KEYLANES, MODEL, PROMPT, REPLY, served } from "./keylanes.ts";

interface Langchain {
  readonly ChatOpenAI: new (options: object) => {
    invoke(prompt: string): Promise<{ content: string }>;
    stream(prompt: string): Promise<AsyncIterable<{ content: string }>>;
  };
}

// It has no call for lists.
describeWith("@langchain/openai")("the package @langchain/openai", () => {
  test.for(KEYLANES)("chats, plain and streamed, before Keylane on %s", async (where) => {
    const { url } = await served(where);
    const { ChatOpenAI } = await installed<Langchain>("@langchain/openai");
    const configuration = { baseURL: `${url}/v1` };
    const chat = new ChatOpenAI({ model: MODEL, apiKey: ALICE, maxRetries: 0, configuration });
    expect((await chat.invoke(PROMPT)).content).toBe(REPLY);
    let text = "";
    for await (const { content } of await chat.stream(PROMPT)) text += content;
    expect(text).toBe(REPLY);
  });
});
