import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** An upstream that answers every request with the same bytes, for responses that no HTTP library would write. */
export interface RawUpstream {
  /** Such as `http://127.0.0.1:43121`. */
  readonly url: string;
  /** The bytes received, one string per connection. */
  readonly received: string[];
}

/** Starts one that responds as soon as a request's header section is complete; it is stopped when the test ends. */
export async function startRawUpstream(respond: string | ((socket: Socket) => void)): Promise<RawUpstream> {
  const received: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const index = received.push("") - 1;
    let hasResponded = false;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (data: Buffer) => {
      received[index] += data.toString("latin1");
      if (hasResponded || !received[index]?.includes("\r\n\r\n")) return;
      hasResponded = true;
      if (typeof respond === "string") socket.end(respond.replaceAll(/\r?\n/g, "\r\n"), "latin1");
      else respond(socket);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received };
}
