import { connect } from "node:net";

/** What came back over a connection, before any HTTP client could judge it. */
export interface RawResponse {
  /** Everything to the first empty line; empty when there was none. */
  readonly head: string;
  /** Everything after it, chunk sizes included. */
  readonly body: Buffer;
  /** How the connection ended, or `none` when nothing more was said for a moment. */
  readonly end: "fin" | "reset" | "none";
}

/** Asks for a path on a connection of its own, and listens. */
export async function rawCall(origin: string, path: string, headers: readonly string[]): Promise<RawResponse> {
  const { port, hostname } = new URL(origin);
  const socket = connect(Number(port), hostname);
  const over = Promise.withResolvers<RawResponse["end"]>();
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => {
    chunks.push(chunk);
    socket.setTimeout(MOMENT_MS);
  });
  socket.on("timeout", () => over.resolve("none"));
  socket.on("end", () => over.resolve("fin"));
  socket.on("error", () => over.resolve("reset"));
  socket.write([`GET ${path} HTTP/1.1`, "Host: standin", ...headers, "", ""].join("\r\n"));
  const end = await over.promise;
  socket.destroy();
  const all = Buffer.concat(chunks);
  const blank = all.indexOf("\r\n\r\n");
  const bodyStart = blank < 0 ? 0 : blank + 4;
  return { head: all.toString("latin1", 0, bodyStart), body: all.subarray(bodyStart), end };
}

const MOMENT_MS = 60;
