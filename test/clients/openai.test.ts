// Four versions of the OpenAI SDK list models and chat through Keylane, and understand its errors.
import OpenAI from "openai";
import OpenAI4 from "openai-4";
import OpenAI5 from "openai-5";
import OpenAI6 from "openai-6";
import { describe, expect, test } from "vitest";
import { ALICE } from "../support/setup.ts";
import { RUNTIMES, MODEL, PROMPT, REPLY, startOn, VISIBLE } from "./keylanes.ts";

const messages = [{ role: "user" as const, content: PROMPT }];

// Version 4 does not escape a model id in the path. All versions have the calls of these tests, with equal types.
const VERSIONS = [
  ["openai", OpenAI],
  ["openai at version 6", OpenAI6 as unknown as typeof OpenAI],
  ["openai at version 5", OpenAI5 as unknown as typeof OpenAI],
  ["openai at version 4", OpenAI4 as unknown as typeof OpenAI],
] as const;
const CASES = VERSIONS.flatMap(([name, Client]) => RUNTIMES.map((runtime) => [name, runtime, Client] as const));

describe.for(CASES)("the package %s, with Keylane on %s", ([, runtime, Client]) => {
  const client = async (apiKey = ALICE) => {
    const { url } = await startOn(runtime);
    return new Client({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
  };

  test("lists the key's models", async () => {
    const ids: string[] = [];
    for await (const { id } of (await client()).models.list()) ids.push(id);
    expect(ids.sort()).toEqual(VISIBLE);
  });

  test("retrieves a model by an id with a slash and a colon, and gets model_not_found for an unknown one", async () => {
    const { models } = await client();
    expect(await models.retrieve(MODEL)).toMatchObject({ id: MODEL, object: "model" });
    await expect(models.retrieve(MODEL.toLowerCase())).rejects.toMatchObject({
      status: 404,
      code: "model_not_found",
    });
  });

  test("chats, plain and streamed", async () => {
    const { chat } = await client();
    const plain = await chat.completions.create({ model: MODEL, messages });
    expect(plain.choices[0]?.message.content).toBe(REPLY);
    let text = "";
    for await (const chunk of await chat.completions.create({ model: MODEL, messages, stream: true })) {
      text += chunk.choices[0]?.delta.content ?? "";
    }
    expect(text).toBe(REPLY);
  });

  test("recognizes the error for an invalid key", async () => {
    const unknown = await client("sk-nano-test-nobody");
    const refused = { status: 401, code: "invalid_api_key", type: "authentication_error" };
    await expect(unknown.models.list()).rejects.toMatchObject(refused);
    await expect(unknown.chat.completions.create({ model: MODEL, messages })).rejects.toMatchObject(refused);
  });
});

test.for(RUNTIMES)("the package openai streams a response, with Keylane on %s", async (runtime) => {
  const { url } = await startOn(runtime);
  const { responses } = new OpenAI({ baseURL: `${url}/v1`, apiKey: ALICE, maxRetries: 0 });
  let text = "";
  for await (const event of await responses.create({ model: MODEL, input: PROMPT, stream: true })) {
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  expect(text).toBe(REPLY);
});
