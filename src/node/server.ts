import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { App } from "../app.ts";
import type { Settings } from "../config/settings.ts";
import { trackConnections } from "./connections.ts";
import { type ForwardFactory, attachRequestListeners } from "./request.ts";
import { shutDown } from "./shutdown.ts";

export interface RunningServer {
  /** Such as `http://127.0.0.1:8787`. */
  readonly url: string;
  /** Lets responses in flight end, and closes. Gives false when DRAIN_TIMEOUT cut some of them. */
  stop(): Promise<boolean>;
}

const IDLE_CONNECTION_MS = 75_000;

/** Listens. `onDrain` is called when a stop begins; `forward` makes the passthrough of one request. */
export async function startServer(
  app: App,
  settings: Settings,
  forward: ForwardFactory,
  onDrain: () => void,
): Promise<RunningServer> {
  const server = createServer({
    headersTimeout: settings.headersTimeoutMs,
    requestTimeout: Math.max(settings.requestTimeoutMs, settings.headersTimeoutMs),
    keepAliveTimeout: IDLE_CONNECTION_MS,
    // How often Node checks the two limits above; its own half a minute would make 10 s mean 40.
    connectionsCheckingInterval: Math.min(1000, settings.headersTimeoutMs),
    // Checked in request.ts, so that the error has OpenAI's shape.
    requireHostHeader: false,
    // A request without a body ends at once, instead of being a stream that nobody reads (8 % of a hit).
    optimizeEmptyRequests: true,
  });
  const listeners = attachRequestListeners(server, app, settings, forward);
  const connections = trackConnections(server, settings.headersTimeoutMs);
  await listen(server, settings);
  return {
    url: urlOf(server.address()),
    stop() {
      onDrain();
      return shutDown({
        server,
        connections,
        listeners,
        drainTimeoutMs: settings.drainTimeoutMs,
      });
    },
  };
}

function listen(server: Server, { host, port }: Pick<Settings, "host" | "port">): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function urlOf(address: AddressInfo | string | null): string {
  if (address === null || typeof address === "string") throw new TypeError("The server does not listen on a port.");
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return `http://${host}:${address.port}`;
}
