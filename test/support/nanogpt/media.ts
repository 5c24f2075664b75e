import { createHash } from "node:crypto";
import { json, send } from "./answer.ts";
import type { Exchange } from "./exchange.ts";
import { badRequest } from "./refusals.ts";
import { promptOf } from "./prompt.ts";
import { call, type Route, type World } from "./routes.ts";

/** Images, which NanoGPT also makes without `/api` in front, and transcriptions of uploaded sound. */
export const mediaRoutes: readonly Route[] = [
  call("POST", "/images/generations", generate),
  { methods: ["POST"], path: /^\/v1\/images\/generations\/?$/, answer: generate },
  call("POST", "/audio/transcriptions", async (exchange, { accounts }) => {
    accounts.admitToCall(exchange);
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

async function generate(exchange: Exchange, { accounts }: World): Promise<void> {
  accounts.admitToCall(exchange);
  const { fields } = await promptOf(exchange);
  const count = typeof fields["n"] === "number" ? fields["n"] : 1;
  const data = Array.from({ length: count }, () => ({ b64_json: ONE_PIXEL_PNG }));
  send(exchange, json(200, { created: 1_780_000_000, data, cost: 0.01 }));
}

const ONE_PIXEL_PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
