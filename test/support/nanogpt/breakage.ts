import type { Exchange } from "./exchange.ts";

/** Answers a request in a broken way; `good` is the JSON text of the correct answer. */
export type Breakage = (exchange: Exchange, good: string) => Promise<void> | void;

/** The first half of a text's bytes. */
export function half(text: string): Buffer {
  const bytes = Buffer.from(text);
  return bytes.subarray(0, Math.ceil(bytes.length / 2));
}

/** Closes the connection with FIN, after the bytes written so far. */
export function closeConnection(exchange: Exchange): void {
  exchange.markEndedByServer();
  exchange.request.socket.destroySoon();
}

/** Resets the connection. */
export function resetConnection(exchange: Exchange): void {
  exchange.markEndedByServer();
  exchange.request.socket.resetAndDestroy();
}

/** Resets the connection after 20 ms, since a RST may overtake bytes that the client has not read yet. */
export async function resetAfterFlush(exchange: Exchange): Promise<void> {
  await exchange.wait(20);
  resetConnection(exchange);
}
