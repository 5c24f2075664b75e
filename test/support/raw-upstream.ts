import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** An upstream that says exactly the given bytes, whatever it is asked, for answers no HTTP library would write. */
export interface RawUpstream {
  /** Such as `http://127.0.0.1:43121`. */
  readonly url: string;
  /** What it was asked, each connection's bytes as text. */
  readonly heard: string[];
}

/** Starts one that speaks once the head of a request has come, and is stopped when the test ends. */
export async function rawUpstream(speak: string | ((socket: Socket) => void)): Promise<RawUpstream> {
  const heard: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const index = heard.push("") - 1;
    let hasSpoken = false;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (data: Buffer) => {
      heard[index] += data.toString("latin1");
      if (hasSpoken || !heard[index]?.includes("\r\n\r\n")) return;
      hasSpoken = true;
      if (typeof speak === "string") socket.end(speak.replaceAll(/\r?\n/g, "\r\n"), "latin1");
      else speak(socket);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, heard };
}
