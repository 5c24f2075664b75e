import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { gzipAnswer, send, type Answer } from "./answer.ts";
import type { Exchange } from "./exchange.ts";
import { call, type Route } from "./routes.ts";

/** Routes that NanoGPT does not have, for comparing bytes: an echo, and bodies of a given size and pace. */
export const byteRoutes: readonly Route[] = [
  { path: /^\/api\/v1\/echo(?:\/.*)?$/, answer: echo },
  call("GET", "/bytes", async (exchange) => {
    const count = Number(exchange.query.get("n"));
    const headers = { "content-type": "application/octet-stream", "content-length": String(count) };
    if (exchange.query.has("gzip")) {
      const { "content-type": type } = headers;
      const answer: Answer = { status: 200, headers: { "content-type": type }, body: patternBytes(count) };
      return send(exchange, await gzipAnswer(answer));
    }
    exchange.response.writeHead(200, headers);
    return pipeline(Readable.from(blocks(count)), exchange.response);
  }),
  call("GET", "/slow-bytes", async (exchange) => {
    const count = Number(exchange.query.get("n"));
    const interval = Number(exchange.query.get("ms"));
    const step = Math.max(1, Math.ceil(count / 10));
    exchange.response.writeHead(200, { "content-type": "application/octet-stream" });
    exchange.response.flushHeaders();
    for (let sent = 0; sent < count; sent += step) {
      exchange.response.write(patternBytes(Math.min(step, count - sent), sent));
      await exchange.wait(interval);
    }
    exchange.response.end();
  }),
];

/** The body of `/bytes?n=` and `/slow-bytes?n=`, or a part of it. */
export function patternBytes(count: number, from = 0): Buffer {
  const bytes = Buffer.allocUnsafe(count);
  for (let index = 0; index < count; index++) bytes[index] = patternByte(from + index);
  return bytes;
}

// Not periodic in a power of two, so that a lost or repeated block shows.
function patternByte(index: number): number {
  return (index * 31 + Math.floor(index / 251)) % 256;
}

function* blocks(count: number): Generator<Buffer> {
  for (let sent = 0; sent < count; sent += BLOCK) yield patternBytes(Math.min(BLOCK, count - sent), sent);
}

async function echo(exchange: Exchange): Promise<void> {
  const { response, request, seen } = exchange;
  response.writeHead(200, {
    "content-type": "application/octet-stream",
    "x-echo-target": seen.target,
    "x-echo-headers": Buffer.from(JSON.stringify(request.rawHeaders)).toString("base64"),
  });
  // At once, for clients that wait for an answer before they send more.
  response.flushHeaders();
  for await (const chunk of exchange.chunks()) response.write(chunk);
  response.end();
}

const BLOCK = 64 * 1024;
