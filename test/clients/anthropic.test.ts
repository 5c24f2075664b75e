import Anthropic from "@anthropic-ai/sdk";
import Anthropic0 from "anthropic-sdk-0";
import { describe, expect, test } from "vitest";
import { ALICE } from "../support/setup.ts";
import { KEYLANES, MODEL, PROMPT, REPLY, served, VISIBLE } from "./keylanes.ts";

const request = { model: MODEL, max_tokens: 99, messages: [{ role: "user" as const, content: PROMPT }] };

// The calls made here read alike in both versions.
const VERSIONS = [
  ["1", Anthropic],
  ["0", Anthropic0 as unknown as typeof Anthropic],
] as const;
const CASES = VERSIONS.flatMap(([version, Client]) => KEYLANES.map((where) => [version, where, Client] as const));

describe.for(CASES)("the package @anthropic-ai/sdk at version %s, before Keylane on %s", ([, where, Client]) => {
  // It adds /v1 itself; what NanoGPT's guides make people type ends with it already. It names the key in X-API-Key.
  describe.for(["", "/v1", "/api/v1"])("at the base URL “%s”", (base) => {
    const client = async () => {
      const { url } = await served(where);
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
    const { url } = await served(where);
    const { models } = new Client({ baseURL: url, apiKey: ALICE, maxRetries: 0 });
    expect(await models.retrieve(MODEL)).toMatchObject({ id: MODEL });
  });

  test("makes a plain message with a bearer instead of an API key", async () => {
    const { url } = await served(where);
    const { messages } = new Client({ baseURL: url, authToken: ALICE, apiKey: null, maxRetries: 0 });
    expect((await messages.create(request)).content).toEqual([{ type: "text", text: REPLY }]);
  });
});
