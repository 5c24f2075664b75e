import type { Exchange } from "./exchange.ts";

/** Answers a request in a broken way; `good` is the JSON text of the answer that was due. */
export type Breakage = (exchange: Exchange, good: string) => Promise<void> | void;

/** Is the first half of a text, in bytes. */
export function half(text: string): Buffer {
  const bytes = Buffer.from(text);
  return bytes.subarray(0, Math.ceil(bytes.length / 2));
}

/** Ends the connection with a clean FIN, once what was written is out. */
export function closeConnection(exchange: Exchange): void {
  exchange.takeBlame();
  exchange.request.socket.destroySoon();
}

/** Ends the connection with a RST. */
export function resetConnection(exchange: Exchange): void {
  exchange.takeBlame();
  exchange.request.socket.resetAndDestroy();
}
