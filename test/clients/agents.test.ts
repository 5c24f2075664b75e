// The OpenAI Agents SDK runs agents through Keylane, over both of its APIs.
import { expect, test } from "vitest";
import { ALICE } from "../support/setup.ts";
import { describeIfInstalled, importInstalled } from "./installed.ts";
import { RUNTIMES, MODEL, PROMPT, REPLY, startOn } from "./keylanes.ts";

interface Agents {
  readonly OpenAIProvider: new (options: object) => object;
  readonly Agent: new (options: object) => object;
  readonly Runner: new (options: object) => {
    run(agent: object, prompt: string): Promise<{ finalOutput: string }>;
    run(agent: object, prompt: string, options: { stream: true }): Promise<Streamed>;
  };
}

interface Streamed {
  toTextStream(): AsyncIterable<string>;
  readonly completed: Promise<void>;
}

const APIS = [
  ["chat completions", false],
  ["responses", true],
] as const;
const CASES = APIS.flatMap(([api, useResponses]) => RUNTIMES.map((runtime) => [api, runtime, useResponses] as const));

// It does not request lists.
describeIfInstalled("@openai/agents")("the package @openai/agents", () => {
  test.for(CASES)("runs over %s, plain and streamed, with Keylane on %s", async ([, runtime, useResponses]) => {
    const { url } = await startOn(runtime);
    const { Agent, OpenAIProvider, Runner } = await importInstalled<Agents>("@openai/agents");
    const modelProvider = new OpenAIProvider({ apiKey: ALICE, baseURL: `${url}/v1`, useResponses });
    // Its traces go to OpenAI.
    const runner = new Runner({ modelProvider, tracingDisabled: true });
    const agent = new Agent({ name: "Quoter", model: MODEL });
    expect((await runner.run(agent, PROMPT)).finalOutput).toBe(REPLY);
    const streamed = await runner.run(agent, PROMPT, { stream: true });
    let text = "";
    for await (const piece of streamed.toTextStream()) text += piece;
    await streamed.completed;
    expect(text).toBe(REPLY);
  });
});
