import { constants, createGzip } from "node:zlib";
import type { Exchange } from "./exchange.ts";
import type { Prompt } from "./prompt.ts";

/** Text of an unnamed event. */
export function dataEvent(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** Text of an event named after its type. */
export function namedEvent(value: { readonly type: string; readonly [field: string]: unknown }): string {
  return `event: ${value.type}\n${dataEvent(value)}`;
}

/** Streams events, one write each, at the interval and in the coding that the client asked for. */
export async function sendEvents(exchange: Exchange, prompt: Prompt, events: readonly string[]): Promise<void> {
  const { request, response } = exchange;
  const interval = intervalMs(exchange, prompt);
  response.setHeader("content-type", "text/event-stream; charset=utf-8");
  response.setHeader("cache-control", "no-cache");
  const isGzip = request.headers["x-standin-gzip"] === "1";
  if (isGzip) response.setHeader("content-encoding", "gzip");
  response.flushHeaders();
  // Flushed after every event, as servers that compress streams do.
  const gzip = createGzip({ flush: constants.Z_SYNC_FLUSH });
  if (isGzip) gzip.pipe(response);
  const target = isGzip ? gzip : response;
  for (const event of events) {
    await exchange.wait(interval);
    target.write(event);
  }
  target.end();
}

function intervalMs({ request }: Exchange, { model }: Prompt): number {
  const asked = Number(request.headers["x-standin-interval-ms"]);
  if (asked >= 0) return asked;
  return model.includes("slow") ? 150 : 1;
}
