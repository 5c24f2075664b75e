import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/**
 * What the proxy does. "silent" drops all data, "garbage" replaces it, "slow" delays it, "extra reply" puts one reply
 * too many before the first data from the server; "refused" and "reset" close connections.
 */
export type ProxyState = "normal" | "silent" | "refused" | "reset" | "garbage" | "slow" | "extra reply";

/** A TCP proxy in front of Redis that injects network faults. */
export interface FaultProxy {
  readonly url: string;
  setState(state: ProxyState): void;
}

const SLOW_MS = 200;

/** Starts a proxy to a port of this host; it stops when the test ends. */
export async function startFaultProxy(port: number): Promise<FaultProxy> {
  let state: ProxyState = "normal";
  const sockets = new Set<Socket>();
  const clients = new WeakSet<Socket>();
  const silenced = new WeakSet<Socket>();
  const gotExtraReply = new WeakSet<Socket>();
  const server = createServer((client) => {
    if (state === "refused") return client.destroy();
    if (state === "reset") return client.resetAndDestroy();
    const redis = connect(port, "127.0.0.1");
    clients.add(client);
    pipe(client, redis);
    pipe(redis, client);
    return undefined;
  });

  function pipe(from: Socket, to: Socket): void {
    sockets.add(from);
    from.on("error", () => {});
    from.on("close", () => {
      sockets.delete(from);
      to.destroy();
    });
    from.on("data", (data: Buffer) => {
      // A connection that has lost data stays silent, even when the proxy is back to normal.
      if (state === "silent") silenced.add(from).add(to);
      if (silenced.has(from)) return;
      if (state === "garbage") to.write(Buffer.from("\r\n*7\r\n?what\r\n$-9\r\n\0\0"));
      else if (state === "extra reply" && clients.has(to) && !gotExtraReply.has(to)) {
        gotExtraReply.add(to);
        to.write(Buffer.concat([Buffer.from("+OK\r\n"), data]));
      } else if (state === "slow") setTimeout(() => to.writable && to.write(data), SLOW_MS);
      else to.write(data);
    });
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    setState(newState) {
      state = newState;
      for (const socket of sockets) {
        if (state === "refused") socket.destroy();
        if (state === "reset") socket.resetAndDestroy();
      }
    },
  };
}
