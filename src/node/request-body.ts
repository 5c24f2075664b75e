import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { bodyTooLarge } from "../http/errors.ts";

/** A request's body if its length is known and all of it has arrived; otherwise null, and nothing is read. */
export function bufferedBody(incoming: IncomingMessage): Buffer | null {
  const isComplete = incoming.complete && incoming.headers["content-length"] !== undefined;
  return isComplete ? incoming.read() : null;
}

/**
 * A request's body as a separate stream: destroying it does not close the client's connection. It fails with 413 beyond
 * `maxBytes`, and if the client disconnects before the end. It uses listeners, since an async iterator costs as much as
 * the rest of a small call.
 */
export function streamedBody(incoming: IncomingMessage, maxBytes: number): Readable {
  let bytes = 0;
  const onData = (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxBytes) body.destroy(bodyTooLarge(maxBytes));
    else if (!body.push(chunk)) incoming.pause();
  };
  const onEnd = () => {
    incoming.off("close", onClose);
    body.push(null);
  };
  const onClose = () => body.destroy(new Error("the client left"));
  const body = new Readable({
    // For a byte stream that has already ended, undici would add a Content-Length that the client did not send.
    objectMode: true,
    highWaterMark: 1,
    read: () => void incoming.resume(),
    destroy(error, callback) {
      incoming.off("data", onData).off("end", onEnd).off("close", onClose);
      // The rest is not read before the connection is closed.
      if (!incoming.readableEnded) incoming.pause();
      callback(error);
    },
  });
  // If the upstream call cannot start, the stream has no other error listener.
  body.on("error", () => {});
  incoming.on("data", onData).on("end", onEnd).on("close", onClose);
  return body;
}
