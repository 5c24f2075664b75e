import { connect } from "node:net";

/** The bytes of a response, not interpreted by an HTTP client. */
export interface RawResponse {
  /** Everything up to the first empty line; empty when there is none. */
  readonly head: string;
  /** Everything after it, chunk sizes included. */
  readonly body: Buffer;
  /** How the connection ended; `none` when it was open and silent for 60 ms. */
  readonly end: "fin" | "reset" | "none";
}

/** Sends GET on a new connection and reads until it ends or is silent for 60 ms. */
export async function rawCall(origin: string, path: string, headers: readonly string[]): Promise<RawResponse> {
  const { port, hostname } = new URL(origin);
  const socket = connect(Number(port), hostname);
  const ended = Promise.withResolvers<RawResponse["end"]>();
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => {
    chunks.push(chunk);
    socket.setTimeout(SILENCE_MS);
  });
  socket.on("timeout", () => ended.resolve("none"));
  socket.on("end", () => ended.resolve("fin"));
  socket.on("error", () => ended.resolve("reset"));
  socket.write([`GET ${path} HTTP/1.1`, "Host: standin", ...headers, "", ""].join("\r\n"));
  const end = await ended.promise;
  socket.destroy();
  const all = Buffer.concat(chunks);
  const blank = all.indexOf("\r\n\r\n");
  const bodyStart = blank < 0 ? 0 : blank + 4;
  return { head: all.toString("latin1", 0, bodyStart), body: all.subarray(bodyStart), end };
}

const SILENCE_MS = 60;
