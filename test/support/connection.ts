import { once } from "node:events";
import { connect } from "node:net";
import { onTestFinished } from "vitest";

/** A connection on which a test writes and reads bytes itself. */
export interface Connection {
  /** Sends lines; each line break goes out as CRLF. */
  readonly say: (text: string) => void;
  /** Everything heard so far, as Latin-1. */
  readonly heard: () => string;
  /** Resolves with everything heard, once it matches. */
  readonly until: (pattern: RegExp) => Promise<string>;
  /** Resolves when the other side has ended it: cleanly or by a reset. */
  readonly ended: Promise<"fin" | "reset">;
}

/** Opens one to the host and port of a URL; it is closed when the test ends. */
export async function connection(url: string): Promise<Connection> {
  const { port, hostname } = new URL(url);
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  let heard = "";
  socket.on("data", (data: Buffer) => (heard += data.toString("latin1")));
  const ended = new Promise<"fin" | "reset">((resolve) => {
    socket.on("end", () => resolve("fin"));
    socket.on("error", () => resolve("reset"));
  });
  await once(socket, "connect");
  return {
    say: (text) => void socket.write(text.replaceAll(/\r?\n/g, "\r\n"), "latin1"),
    heard: () => heard,
    async until(pattern) {
      while (!pattern.test(heard)) {
        const over = ended.then((end) => {
          throw new Error(`The connection ended (${end}) after ${JSON.stringify(heard)}`);
        });
        await Promise.race([once(socket, "data"), pattern.test(heard) ? undefined : over]);
      }
      return heard;
    },
    ended,
  };
}

/** Whether nobody listens at the host and port of a URL. */
export async function isRefusing(url: string): Promise<boolean> {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  const isRefused = await once(socket, "connect").then(
    () => false,
    () => true,
  );
  socket.destroy();
  return isRefused;
}
