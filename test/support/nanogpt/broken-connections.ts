import { jsonText, send } from "./answer.ts";
import { closeConnection, half, resetAfterFlush, resetConnection, type Breakage } from "./breakage.ts";
import type { Exchange } from "./exchange.ts";

/** Faults of the connection and of HTTP's framing on it. */
export type ConnectionFault =
  | "reset-before-headers"
  | "reset-after-headers"
  /** A clean FIN instead of an answer. */
  | "close-before-headers"
  | "hang-before-headers"
  | "hang-mid-body"
  /** Half of the Content-Length, then FIN. */
  | "cut-with-length"
  /** Chunks without the last one, then FIN on a keep-alive connection. */
  | "cut-chunked"
  /** The same with `Connection: close`. */
  | "cut-close-chunked"
  /** A body twice as long as its Content-Length. */
  | "wrong-length-short"
  /** A good answer immediately followed by a second one, which was not requested. */
  | "early-second"
  /** A good answer on a keep-alive connection, which then closes. */
  | "keep-alive-close"
  /** Bytes that are not HTTP. */
  | "garbage";

/** Implementations of the connection faults. */
export const brokenConnections: Readonly<Record<ConnectionFault, Breakage>> = {
  "reset-before-headers": resetConnection,
  async "reset-after-headers"(exchange, good) {
    setListHeaders(exchange, good);
    exchange.response.flushHeaders();
    await resetAfterFlush(exchange);
  },
  "close-before-headers": closeConnection,
  "hang-before-headers"() {
    // No answer until the client disconnects or the stand-in stops.
  },
  "hang-mid-body"(exchange, good) {
    setListHeaders(exchange, good);
    exchange.response.write(half(good));
  },
  "cut-with-length"(exchange, good) {
    setListHeaders(exchange, good);
    exchange.response.write(half(good));
    closeConnection(exchange);
  },
  "cut-chunked"(exchange, good) {
    exchange.response.setHeader("content-type", "application/json");
    exchange.response.write(half(good));
    closeConnection(exchange);
  },
  "cut-close-chunked"(exchange, good) {
    exchange.response.setHeader("content-type", "application/json");
    exchange.response.setHeader("connection", "close");
    exchange.response.write(half(good));
    closeConnection(exchange);
  },
  "wrong-length-short"(exchange, good) {
    exchange.response.setHeader("content-length", half(good).length);
    send(exchange, jsonText(good));
  },
  "early-second"(exchange, good) {
    const { socket } = exchange.request;
    send(exchange, jsonText(good));
    socket.write(SECOND);
  },
  "keep-alive-close"(exchange, good) {
    exchange.response.on("finish", () => closeConnection(exchange));
    send(exchange, jsonText(good));
  },
  garbage(exchange) {
    exchange.request.socket.write("\u0000\u0001 this is not HTTP \u0002\r\n\r\n");
    closeConnection(exchange);
  },
};

function setListHeaders({ response }: Exchange, good: string): void {
  response.setHeader("content-type", "application/json");
  response.setHeader("content-length", Buffer.byteLength(good));
}

const SECOND_BODY = '{"object":"list","data":[{"id":"from-the-second-answer","object":"model"}]}';
const SECOND = [
  "HTTP/1.1 200 OK",
  "Content-Type: application/json",
  `Content-Length: ${SECOND_BODY.length}`,
  "",
  SECOND_BODY,
].join("\r\n");
