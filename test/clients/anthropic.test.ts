// Two versions of the Anthropic SDK list models and send messages through Keylane.
import Anthropic from "@anthropic-ai/sdk";
import Anthropic0 from "anthropic-sdk-0";
import { describe, expect, test } from "vitest";
import { ALICE } from "../support/setup.ts";
import { RUNTIMES, MODEL, PROMPT, REPLY, startOn, VISIBLE } from "./keylanes.ts";

const request = { model: MODEL, max_tokens: 99, messages: [{ role: "user" as const, content: PROMPT }] };

// Both versions have the calls of these tests, with equal types.
const VERSIONS = [
  ["1", Anthropic],
  ["0", Anthropic0 as unknown as typeof Anthropic],
] as const;
const CASES = VERSIONS.flatMap(([version, Client]) => RUNTIMES.map((runtime) => [version, runtime, Client] as const));

describe.for(CASES)("the package @anthropic-ai/sdk at version %s, with Keylane on %s", ([, runtime, Client]) => {
  // The SDK adds /v1 itself, but NanoGPT's guides name base URLs that end with it. It sends the key in X-API-Key.
  describe.for(["", "/v1", "/api/v1"])("at the base URL “%s”", (base) => {
    const client = async () => {
      const { url } = await startOn(runtime);
      return new Client({ baseURL: url + base, apiKey: ALICE, maxRetries: 0 });
    };

    test("lists the key's models", async () => {
      const ids: string[] = [];
      for await (const { id } of (await client()).models.list()) ids.push(id);
      expect(ids.sort()).toEqual(VISIBLE);
    });

    test("streams a message", async () => {
      expect(await (await client()).messages.stream(request).finalText()).toBe(REPLY);
    });
  });

  test("retrieves a model by an id with a slash and a colon", async () => {
    const { url } = await startOn(runtime);
    const { models } = new Client({ baseURL: url, apiKey: ALICE, maxRetries: 0 });
    expect(await models.retrieve(MODEL)).toMatchObject({ id: MODEL });
  });

  test("creates a message with a bearer token instead of X-API-Key", async () => {
    const { url } = await startOn(runtime);
    const { messages } = new Client({ baseURL: url, authToken: ALICE, apiKey: null, maxRetries: 0 });
    expect((await messages.create(request)).content).toEqual([{ type: "text", text: REPLY }]);
  });
});
