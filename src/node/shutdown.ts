import type { Server } from "node:http";
import { Server as NetServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Connections } from "./connections.ts";
import type { RequestListeners } from "./request.ts";

export interface Shutdown {
  readonly server: Server;
  readonly connections: Connections;
  readonly listeners: RequestListeners;
  readonly drainTimeoutMs: number;
}

// A request may be on its way in a connection that looks idle, or follow a response at once: it is answered, with
// `Connection: close`.
const LAST_REQUEST_MS = 500;
const DRAIN_STEP_MS = 25;

/** Stops a server: no new connections, responses in flight end. Gives false when the timeout cut some of them. */
export async function shutDown({ server, connections, listeners, drainTimeoutMs }: Shutdown): Promise<boolean> {
  // Not the system's clock, which can be set back: a stop must end.
  const startedAt = performance.now();
  const elapsedMs = () => performance.now() - startedAt;
  listeners.drain();
  await connections.acceptPending(startedAt + Math.min(LAST_REQUEST_MS, drainTimeoutMs));
  // http.Server's own close() would also cut the connections that look idle, at once.
  const closed = new Promise<true>((resolve) => {
    NetServer.prototype.close.call(server, () => resolve(true));
  });
  listeners.release();
  let isWhole = false;
  while (!isWhole && elapsedMs() < drainTimeoutMs) {
    isWhole = await Promise.race([closed, sleep(DRAIN_STEP_MS, false)]);
    if (elapsedMs() < LAST_REQUEST_MS) continue;
    connections.closeIdle(performance.now() - LAST_REQUEST_MS);
  }
  server.closeAllConnections();
  await closed;
  const leftMs = Math.max(0, drainTimeoutMs - elapsedMs());
  await Promise.race([Promise.allSettled(listeners.background), sleep(leftMs, undefined, { ref: false })]);
  return isWhole;
}
