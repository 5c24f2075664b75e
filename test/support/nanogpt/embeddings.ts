import { json, send } from "./answer.ts";
import { parsePrompt } from "./prompt.ts";
import { call, type Route } from "./routes.ts";

/** Embeddings, as numbers or as the base64 of little-endian floats that OpenAI's SDK asks for. */
export const embeddingsRoutes: readonly Route[] = [
  call("POST", "/embeddings", async (exchange, { accounts }) => {
    accounts.requireKeyOrPayment(exchange);
    const { model, fields } = await parsePrompt(exchange);
    const inputs: unknown[] = Array.isArray(fields["input"]) ? fields["input"] : [fields["input"]];
    const data = inputs.map((input, index) => {
      const vector = vectorOf(String(input));
      const embedding = fields["encoding_format"] === "base64" ? base64(vector) : vector;
      return { object: "embedding", index, embedding };
    });
    const usage = { prompt_tokens: inputs.length, total_tokens: inputs.length };
    send(exchange, json(200, { object: "list", model, data, usage }));
  }),
];

// Sixty-fourths are exact in 32 bits, so both encodings give the same numbers.
function vectorOf(text: string): number[] {
  return Array.from({ length: 8 }, (_, index) => ((text.charCodeAt(index) || 0) % 64) / 64);
}

function base64(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * 4);
  return bytes.toString("base64");
}
