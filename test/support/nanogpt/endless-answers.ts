import type { Exchange } from "./exchange.ts";

/** An answer with an endless part, sent until the client disconnects. */
export interface EndlessFault {
  readonly kind: "endless";
  readonly part: "interim answers" | "headers" | "body";
  /** Status of an answer with an endless body, 200 by default. */
  readonly status?: number | undefined;
  /** Interval between two pieces; 100 pieces every 2 ms when undefined. */
  readonly everyMs?: number | undefined;
}

/** Sends the same piece again and again. */
export async function sendEndless(exchange: Exchange, good: string, fault: EndlessFault): Promise<void> {
  const { part, status = 200, everyMs } = fault;
  const { socket } = exchange.request;
  const start = `HTTP/1.1 ${status} Endless\r\n`;
  // The good list comes first: Keylane must not take it for the whole body.
  if (part === "body") {
    socket.write(`${start}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunk(good)}`);
  } else if (part === "headers") socket.write(start);
  const piece = Buffer.from(PIECES[part].repeat(everyMs === undefined ? 100 : 1));
  for (;;) {
    socket.write(piece);
    await exchange.wait(everyMs ?? 2);
  }
}

function chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}

const PIECES: Readonly<Record<EndlessFault["part"], string>> = {
  "interim answers": "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
  headers: `X-Endless: ${"x".repeat(50)}\r\n`,
  body: chunk(" ".repeat(10_000)),
};
