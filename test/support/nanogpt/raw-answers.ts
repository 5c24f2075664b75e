import { closeConnection, resetAfterFlush } from "./breakage.ts";
import type { Exchange } from "./exchange.ts";

/** An answer given byte by byte, for what no HTTP library would write. */
export interface RawFault {
  readonly kind: "raw";
  /** Lines of the head; `LENGTH` is replaced by the length of the good list, `LENGTH16` by the same in hexadecimal. */
  readonly head: readonly string[];
  /** What follows the head, by default `GOOD`, which is replaced by the good list. */
  readonly body?: string | undefined;
  /** What happens to the connection, by default `close`. */
  readonly after?: "close" | "reset" | "stay" | undefined;
}

/** Sends the bytes. */
export async function sendRaw(exchange: Exchange, good: string, fault: RawFault): Promise<void> {
  const { head, body = "GOOD", after = "close" } = fault;
  const length = Buffer.byteLength(good);
  const filled = (text: string) =>
    text
      .replaceAll("LENGTH16", length.toString(16))
      .replaceAll("LENGTH", String(length))
      .replaceAll("GOOD", () => good);
  const lines = head.map((line) => `${filled(line)}\r\n`);
  // Latin-1, so that lines can contain any byte.
  exchange.request.socket.write(`${lines.join("")}\r\n`, "latin1");
  exchange.request.socket.write(filled(body));
  if (after === "close") return closeConnection(exchange);
  if (after === "reset") await resetAfterFlush(exchange);
}
