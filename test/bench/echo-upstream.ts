import { once } from "node:events";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { OnCleanup } from "./processes.ts";

export const EVENTS_PER_SECOND = 50;

/**
 * Starts an upstream for passthrough calls and gives its URL. It answers a POST with 1 KB once it has read the body, and a
 * GET of `/v1/events?n=N` with N events; the data of each is the time it was sent, by this process's clock.
 */
export async function startEchoUpstream(onCleanup: OnCleanup): Promise<string> {
  const body = Buffer.from(JSON.stringify({ text: "a".repeat(1000) }));
  const server = createServer((incoming, outgoing) => {
    if (incoming.method === "GET") {
      const count = Number(new URL(incoming.url ?? "", "http://local").searchParams.get("n"));
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      void sendEvents(count, (text) => outgoing.write(text)).then(() => outgoing.end());
      return;
    }
    const fields = { "content-type": "application/json", "content-length": body.length };
    incoming.resume().on("end", () => outgoing.writeHead(200, fields).end(body));
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onCleanup(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The upstream has no port");
  return `http://127.0.0.1:${address.port}`;
}

async function sendEvents(count: number, write: (text: string) => void): Promise<void> {
  const startedAt = performance.now();
  for (let sent = 0; sent < count; sent++) {
    write(`data: ${performance.now()}\n\n`);
    await sleep(Math.max(0, startedAt + ((sent + 1) * 1000) / EVENTS_PER_SECOND - performance.now()));
  }
}
