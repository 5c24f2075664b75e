import { createHash } from "node:crypto";
import { json, send } from "./answer.ts";
import type { Exchange } from "./exchange.ts";
import { badRequest } from "./error-answers.ts";
import { parsePrompt } from "./prompt.ts";
import { call, type Route, type RouteContext } from "./routes.ts";

/** Images, which NanoGPT also serves without `/api`, and transcriptions of uploaded audio. */
export const mediaRoutes: readonly Route[] = [
  call("POST", "/images/generations", generate),
  { methods: ["POST"], path: /^\/v1\/images\/generations\/?$/, answer: generate },
  call("POST", "/audio/transcriptions", async (exchange, { accounts }) => {
    accounts.requireKeyOrPayment(exchange);
    const type = exchange.request.headers["content-type"] ?? "";
    if (!type.startsWith("multipart/form-data")) throw badRequest("A transcription needs a multipart form.");
    const hash = createHash("sha256");
    let bytes = 0;
    for await (const chunk of exchange.chunks()) {
      hash.update(chunk);
      bytes += chunk.length;
    }
    send(exchange, json(200, { text: `${bytes} bytes of sound`, bytes, sha256: hash.digest("hex") }));
  }),
];

async function generate(exchange: Exchange, { accounts }: RouteContext): Promise<void> {
  accounts.requireKeyOrPayment(exchange);
  const { fields } = await parsePrompt(exchange);
  const count = typeof fields["n"] === "number" ? fields["n"] : 1;
  const data = Array.from({ length: count }, () => ({ b64_json: ONE_PIXEL_PNG }));
  send(exchange, json(200, { created: 1_780_000_000, data, cost: 0.01 }));
}

const ONE_PIXEL_PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
