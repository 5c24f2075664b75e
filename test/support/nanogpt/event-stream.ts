import { constants, createGzip } from "node:zlib";
import type { Exchange } from "./exchange.ts";
import type { Prompt } from "./prompt.ts";

/** Is the text of an event without a name. */
export function dataEvent(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** Is the text of an event named after its own type. */
export function namedEvent(value: { readonly type: string; readonly [field: string]: unknown }): string {
  return `event: ${value.type}\n${dataEvent(value)}`;
}

/** Streams events, each in a write of its own, at the pace the client asked for. */
export async function sendEvents(exchange: Exchange, prompt: Prompt, events: readonly string[]): Promise<void> {
  const { request, response } = exchange;
  const interval = intervalMs(exchange, prompt);
  response.setHeader("content-type", "text/event-stream; charset=utf-8");
  response.setHeader("cache-control", "no-cache");
  if (request.headers["x-standin-gzip"] !== "1") {
    response.flushHeaders();
    for (const event of events) {
      await exchange.wait(interval);
      response.write(event);
    }
    response.end();
    return;
  }
  response.setHeader("content-encoding", "gzip");
  response.flushHeaders();
  // Flushed after every event, as a server does that compresses what it streams.
  const gzip = createGzip({ flush: constants.Z_SYNC_FLUSH });
  gzip.pipe(response);
  for (const event of events) {
    await exchange.wait(interval);
    gzip.write(event);
  }
  gzip.end();
}

function intervalMs({ request }: Exchange, { model }: Prompt): number {
  const asked = Number(request.headers["x-standin-interval-ms"]);
  if (asked >= 0) return asked;
  return model.includes("slow") ? 150 : 1;
}
