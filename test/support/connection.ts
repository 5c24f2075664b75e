import { once } from "node:events";
import { connect } from "node:net";
import { onTestFinished } from "vitest";

/** A TCP connection on which a test writes and reads raw bytes. */
export interface Connection {
  /** Sends text as Latin-1, with CRLF for each line break. */
  readonly send: (text: string) => void;
  /** Everything received so far, as Latin-1. */
  readonly received: () => string;
  /** Resolves with everything received, once it matches; rejects if the connection ends first. */
  readonly until: (pattern: RegExp) => Promise<string>;
  /** Resolves when the peer has ended the connection: cleanly or by a reset. */
  readonly ended: Promise<"fin" | "reset">;
}

/** Connects to the host and port of a URL; the connection is closed when the test ends. */
export async function openConnection(url: string): Promise<Connection> {
  const { port, hostname } = new URL(url);
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  let received = "";
  socket.on("data", (data: Buffer) => (received += data.toString("latin1")));
  const ended = new Promise<"fin" | "reset">((resolve) => {
    socket.on("end", () => resolve("fin"));
    socket.on("error", () => resolve("reset"));
  });
  await once(socket, "connect");
  return {
    send: (text) => void socket.write(text.replaceAll(/\r?\n/g, "\r\n"), "latin1"),
    received: () => received,
    async until(pattern) {
      while (!pattern.test(received)) {
        const failure = ended.then((end) => {
          throw new Error(`The connection ended (${end}) after ${JSON.stringify(received)}`);
        });
        await Promise.race([once(socket, "data"), pattern.test(received) ? undefined : failure]);
      }
      return received;
    },
    ended,
  };
}

/** Whether nothing listens at the host and port of a URL. */
export async function refusesConnections(url: string): Promise<boolean> {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  const isRefused = await once(socket, "connect").then(
    () => false,
    () => true,
  );
  socket.destroy();
  return isRefused;
}
