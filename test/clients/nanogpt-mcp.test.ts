// NanoGPT's own MCP server works through Keylane.
import { expect, onTestFinished, test } from "vitest";
import { ALICE } from "../support/setup.ts";
import { describeIfInstalled, importInstalled, installedPath } from "./installed.ts";
import { RUNTIMES, MODEL, PROMPT, startOn, VISIBLE } from "./keylanes.ts";

interface Protocol {
  readonly Client: new (about: { name: string; version: string }) => {
    connect(transport: object): Promise<void>;
    callTool(call: { name: string; arguments: object }): Promise<{ structuredContent: unknown }>;
    close(): Promise<void>;
  };
}

interface Stdio {
  readonly StdioClientTransport: new (options: object) => object;
}

// Its base URL has no path: it adds /api/v1 and /v1 itself.
describeIfInstalled("@nanogpt/mcp")("NanoGPT's MCP server", () => {
  test.for(RUNTIMES)("lists the key's models, chats and makes images, with Keylane on %s", async (runtime) => {
    const { url } = await startOn(runtime);
    const { Client } = await importInstalled<Protocol>("@modelcontextprotocol/sdk/client/index.js");
    const { StdioClientTransport } = await importInstalled<Stdio>("@modelcontextprotocol/sdk/client/stdio.js");
    const client = new Client({ name: "test", version: "1" });
    onTestFinished(() => client.close());
    const env = { NANOGPT_BASE_URL: url, NANOGPT_API_KEY: ALICE };
    const args = [installedPath("@nanogpt/mcp/dist/index.js")];
    await client.connect(new StdioClientTransport({ command: process.execPath, args, env }));
    const call = async (name: string, input: object) =>
      (await client.callTool({ name: `nanogpt_${name}`, arguments: input })).structuredContent;

    const list = (await call("list_text_models", { detailed: true })) as { data: { id: string }[] };
    expect(list.data.map(({ id }) => id).sort()).toEqual(VISIBLE);
    expect(list.data[0]).toHaveProperty("context_length");
    // The stand-in quotes the text of the last part of the message, which is the picture.
    expect(
      await call("vision", { model: MODEL, prompt: PROMPT, image_url: "https://example.org/1.png" }),
    ).toMatchObject({ content: "You said “” – grüße from the stand-in 🛰️." });
    expect(await call("image_generate", { prompt: PROMPT, model: MODEL })).toMatchObject({
      images: [{ kind: "resource", mimeType: "image/png" }],
    });
  });
});
