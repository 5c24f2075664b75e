/** @import { Tool } from "./types.d.ts" */

const KEY = "YOUR_NANOGPT_KEY";
const MODEL = "openai/gpt-4-turbo";

/**
 * Returns the instructions for each tool. The key is always a placeholder.
 * @param {string} baseUrl without a slash at the end
 * @param {string} model id for the snippets that need one
 * @returns {Tool[]}
 */
export function tools(baseUrl, model = MODEL) {
  // A control character can end a terminal's bracketed paste: the rest of the id would run as a command.
  if (/\p{Cc}/u.test(model)) return tools(baseUrl);
  const [id, v1] = [JSON.stringify(model), JSON.stringify(`${baseUrl}/v1`)];
  return [
    {
      name: "OpenAI SDK, JavaScript",
      where: "npm install openai",
      code: `import OpenAI from "openai";

const client = new OpenAI({ baseURL: ${v1}, apiKey: process.env.NANOGPT_API_KEY });
for await (const model of client.models.list()) console.log(model.id);

const answer = await client.chat.completions.create({
  model: ${id},
  messages: [{ role: "user", content: "Hello" }],
});
console.log(answer.choices[0]?.message.content);`,
    },
    {
      name: "OpenAI SDK, Python",
      where: "pip install openai",
      code: `import os
from openai import OpenAI

client = OpenAI(base_url=${v1}, api_key=os.environ["NANOGPT_API_KEY"])
for model in client.models.list():
    print(model.id)

answer = client.chat.completions.create(
    model=${id},
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.choices[0].message.content)`,
    },
    {
      name: "curl",
      where: "The key comes from the environment, so that it is not in your shell’s history.",
      code: `curl ${shellQuote(`${baseUrl}/v1/models`)} -H "Authorization: Bearer $NANOGPT_API_KEY"`,
    },
    {
      name: "LibreChat",
      where: `librechat.yaml; each user enters a key of their own.${containerNote(baseUrl)}`,
      code: `endpoints:
  custom:
    - name: "NanoGPT"
      apiKey: "user_provided"
      baseURL: ${JSON.stringify(`${containerUrl(baseUrl)}/v1`)}
      models:
        default: [${id}]
        fetch: true`,
    },
    {
      name: "Open WebUI",
      where: `Admin Settings → Connections → OpenAI API → +.${containerNote(baseUrl)}`,
      fields: [
        ["URL", `${containerUrl(baseUrl)}/v1`],
        ["API Key", KEY],
      ],
    },
    {
      name: "SillyTavern",
      where: "API Connections → Chat Completion → Custom (OpenAI-compatible)",
      fields: [
        ["Custom Endpoint (Base URL)", `${baseUrl}/v1`],
        ["Custom API Key", KEY],
      ],
    },
    {
      name: "Cline",
      where: "Settings → API Provider → OpenAI Compatible",
      fields: [
        ["Base URL", `${baseUrl}/v1`],
        ["API Key", KEY],
        ["Model ID", model],
      ],
    },
    {
      name: "Roo Code",
      where: "Settings → Providers → OpenAI Compatible. This base URL is NanoGPT’s own for tools that show reasoning.",
      fields: [
        ["Base URL", `${baseUrl}/api/v1thinking`],
        ["API Key", KEY],
        ["Model", model],
      ],
    },
    {
      name: "Kilo Code",
      where: "Settings → Providers → OpenAI Compatible. It reads NanoGPT’s prices and limits from the detailed list.",
      fields: [
        ["Base URL", `${baseUrl}/detailed/v1`],
        ["API Key", KEY],
        ["Model", model],
      ],
    },
    {
      name: "Claude Code",
      where: "It adds /v1 by itself.",
      code: `export ANTHROPIC_BASE_URL=${shellQuote(baseUrl)}
export ANTHROPIC_AUTH_TOKEN="$NANOGPT_API_KEY"
claude --model ${shellQuote(model)}`,
    },
  ];
}

/**
 * The base URLs of Keylane: path, and the list that a tool gets there.
 * @type {readonly (readonly [string, string])[]}
 */
export const BASE_URLS = [
  ["/v1", "your list, in the shape that the tool asks for"],
  ["/basic/v1", "always with id, object, created and owned_by alone"],
  ["/detailed/v1", "always with names, prices and limits, as NanoGPT gives them"],
  ["/openrouter/v1", "as OpenRouter gives them: prices per token"],
  ["/subscription/v1", "what your subscription includes"],
  ["/paid/v1", "what is paid for by use"],
];

/**
 * Quotes a text as one argument for a POSIX shell.
 * @param {string} text
 */
const shellQuote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

const LOOPBACK = /^(https?:\/\/)(?:localhost|127\.0\.0\.1|\[::1\])(?=[:/]|$)/;

/**
 * Replaces a loopback host by the name under which a container reaches its host.
 * @param {string} baseUrl
 */
const containerUrl = (baseUrl) => baseUrl.replace(LOOPBACK, "$1host.docker.internal");

/** @param {string} baseUrl */
const containerNote = (baseUrl) =>
  LOOPBACK.test(baseUrl)
    ? " From a container this machine is host.docker.internal, and Keylane has to listen for it (HOST=0.0.0.0)."
    : "";
