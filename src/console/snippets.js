/** @import { Tool } from "./types.d.ts" */

const KEY = "YOUR_NANOGPT_KEY";
const MODEL = "openai/gpt-4-turbo";

/**
 * Gives what to paste where.
 * @param {string} base this Keylane's address, without a slash at the end
 * @param {string} model an id to put where a snippet needs one; the key stays a placeholder always
 * @returns {Tool[]}
 */
export function tools(base, model = MODEL) {
  // A terminal that is given a control character may run what follows it.
  if (/\p{Cc}/u.test(model)) return tools(base);
  const [id, v1] = [JSON.stringify(model), JSON.stringify(`${base}/v1`)];
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
      code: `curl ${quoted(`${base}/v1/models`)} -H "Authorization: Bearer $NANOGPT_API_KEY"`,
    },
    {
      name: "LibreChat",
      where: `librechat.yaml; each user enters a key of their own.${fromContainer(base)}`,
      code: `endpoints:
  custom:
    - name: "NanoGPT"
      apiKey: "user_provided"
      baseURL: ${JSON.stringify(`${hostOf(base)}/v1`)}
      models:
        default: [${id}]
        fetch: true`,
    },
    {
      name: "Open WebUI",
      where: `Admin Settings → Connections → OpenAI API → +.${fromContainer(base)}`,
      fields: [
        ["URL", `${hostOf(base)}/v1`],
        ["API Key", KEY],
      ],
    },
    {
      name: "SillyTavern",
      where: "API Connections → Chat Completion → Custom (OpenAI-compatible)",
      fields: [
        ["Custom Endpoint (Base URL)", `${base}/v1`],
        ["Custom API Key", KEY],
      ],
    },
    {
      name: "Cline",
      where: "Settings → API Provider → OpenAI Compatible",
      fields: [
        ["Base URL", `${base}/v1`],
        ["API Key", KEY],
        ["Model ID", model],
      ],
    },
    {
      name: "Roo Code",
      where:
        "Settings → Providers → OpenAI Compatible. This base URL is NanoGPT’s own for tools that show reasoning.",
      fields: [
        ["Base URL", `${base}/api/v1thinking`],
        ["API Key", KEY],
        ["Model", model],
      ],
    },
    {
      name: "Kilo Code",
      where:
        "Settings → Providers → OpenAI Compatible. It reads NanoGPT’s prices and limits from the detailed list.",
      fields: [
        ["Base URL", `${base}/detailed/v1`],
        ["API Key", KEY],
        ["Model", model],
      ],
    },
    {
      name: "Claude Code",
      where: "It adds /v1 by itself.",
      code: `export ANTHROPIC_BASE_URL=${quoted(base)}
export ANTHROPIC_AUTH_TOKEN="$NANOGPT_API_KEY"
claude --model ${quoted(model)}`,
    },
  ];
}

/**
 * The base URLs to choose from: what follows the address, and what a tool sees through it.
 * @type {readonly (readonly [string, string])[]}
 */
export const BASES = [
  ["/v1", "your list, in the shape that the tool asks for"],
  ["/basic/v1", "always with id, object, created and owned_by alone"],
  ["/detailed/v1", "always with names, prices and limits, as NanoGPT gives them"],
  ["/openrouter/v1", "as OpenRouter gives them: prices per token"],
  ["/subscription/v1", "what your subscription includes"],
  ["/paid/v1", "what is paid for by use"],
];

/**
 * A word of a shell's command line, whatever is in it.
 * @param {string} text
 */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

const LOOPBACK = /^(https?:\/\/)(?:localhost|127\.0\.0\.1|\[::1\])(?=[:/]|$)/;

/**
 * A tool that mostly runs in a container reaches its host under another name.
 * @param {string} base
 */
const hostOf = (base) => base.replace(LOOPBACK, "$1host.docker.internal");

/** @param {string} base */
const fromContainer = (base) =>
  LOOPBACK.test(base)
    ? " From a container this machine is host.docker.internal, and Keylane has to listen for it (HOST=0.0.0.0)."
    : "";
