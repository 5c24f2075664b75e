import { closeConnection, resetConnection } from "./breakage.ts";
import type { Exchange } from "./exchange.ts";

/** An answer of which every byte is chosen, for what no HTTP library would write. */
export interface RawFault {
  readonly kind: "raw";
  /** The lines of the head, status line first; `LENGTH` in them stands for the length of the good list (`LENGTH16` in hexadecimal). */
  readonly head: readonly string[];
  /** What follows the head, with `GOOD` for the good list in it; the good list alone when left out. */
  readonly body?: string | undefined;
  /** What becomes of the connection; it is closed when left out. */
  readonly after?: "close" | "reset" | "stay" | undefined;
}

/** Says the bytes. */
export async function sendRaw(exchange: Exchange, good: string, fault: RawFault): Promise<void> {
  const { head, body = "GOOD", after = "close" } = fault;
  const length = Buffer.byteLength(good);
  const filled = (text: string) =>
    text
      .replaceAll("LENGTH16", length.toString(16))
      .replaceAll("LENGTH", String(length))
      .replaceAll("GOOD", () => good);
  const lines = head.map((line) => `${filled(line)}\r\n`);
  // Lines as Latin-1, so that any byte can stand in them.
  exchange.request.socket.write(`${lines.join("")}\r\n`, "latin1");
  exchange.request.socket.write(filled(body));
  if (after === "close") return closeConnection(exchange);
  if (after === "stay") return;
  // A RST may overtake bytes that the client has not read yet.
  await exchange.wait(20);
  resetConnection(exchange);
}
