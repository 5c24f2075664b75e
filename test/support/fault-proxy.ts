import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** The state of a connection to Redis: whole, silent, refused, cut, garbled, slow, or with one reply too many. */
export type ProxyState = "whole" | "silent" | "refused" | "reset" | "garbage" | "slow" | "askew";

/** A line to a server, that a test can cut. */
export interface FaultProxy {
  readonly url: string;
  be(condition: ProxyState): void;
}

const SLOW_MS = 200;

/** Lays a line to a port of this host; it is taken away when the test ends. */
export async function startFaultProxy(port: number): Promise<FaultProxy> {
  let now: ProxyState = "whole";
  const ends = new Set<Socket>();
  const nears = new WeakSet<Socket>();
  const silenced = new WeakSet<Socket>();
  const askew = new WeakSet<Socket>();
  const server = createServer((near) => {
    if (now === "refused") return near.destroy();
    if (now === "reset") return near.resetAndDestroy();
    const far = connect(port, "127.0.0.1");
    nears.add(near);
    join(near, far);
    join(far, near);
    return undefined;
  });

  function join(from: Socket, to: Socket): void {
    ends.add(from);
    from.on("error", () => {});
    from.on("close", () => {
      ends.delete(from);
      to.destroy();
    });
    from.on("data", (data: Buffer) => {
      // A silent line says nothing any more, also when it is whole again: what is lost is lost.
      if (now === "silent") silenced.add(from).add(to);
      if (silenced.has(from)) return;
      if (now === "garbage") to.write(Buffer.from("\r\n*7\r\n?what\r\n$-9\r\n\0\0"));
      else if (now === "askew" && nears.has(to) && !askew.has(to)) {
        askew.add(to);
        to.write(Buffer.concat([Buffer.from("+OK\r\n"), data]));
      } else if (now === "slow") setTimeout(() => to.writable && to.write(data), SLOW_MS);
      else to.write(data);
    });
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    for (const end of ends) end.destroy();
    server.close();
    await once(server, "close");
  });
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    be(condition) {
      now = condition;
      for (const end of ends) {
        if (now === "refused") end.destroy();
        if (now === "reset") end.resetAndDestroy();
      }
    },
  };
}
