// multi-llm-ts lists the key's models and chats through Keylane.
import { expect, test } from "vitest";
import { ALICE } from "../support/setup.ts";
import { describeIfInstalled, importInstalled } from "./installed.ts";
import { RUNTIMES, MODEL, PROMPT, REPLY, startOn, VISIBLE } from "./keylanes.ts";

interface MultiLlm {
  readonly Message: new (role: string, content: string) => object;
  readonly igniteEngine: (name: string, config: object) => Engine;
}

interface Engine {
  getModels(): Promise<{ id: string }[]>;
  buildModel(id: string): object;
  complete(model: object, thread: object[]): Promise<{ content?: string }>;
  generate(model: object, thread: object[]): AsyncIterable<{ type: string; text?: string }>;
}

describeIfInstalled("multi-llm-ts")("the package multi-llm-ts", () => {
  test.for(RUNTIMES)("lists the key's models and chats, plain and streamed, with Keylane on %s", async (runtime) => {
    const { url } = await startOn(runtime);
    const { igniteEngine, Message } = await importInstalled<MultiLlm>("multi-llm-ts");
    const engine = igniteEngine("openai", { apiKey: ALICE, baseURL: `${url}/v1` });
    expect((await engine.getModels()).map(({ id }) => id).sort()).toEqual(VISIBLE);
    const model = engine.buildModel(MODEL);
    const thread = [new Message("system", "Quote."), new Message("user", PROMPT)];
    expect((await engine.complete(model, thread)).content).toBe(REPLY);
    let text = "";
    for await (const chunk of engine.generate(model, thread)) {
      if (chunk.type === "content") text += chunk.text ?? "";
    }
    expect(text).toBe(REPLY);
  });
});
