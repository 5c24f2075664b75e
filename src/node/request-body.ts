import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { bodyTooLarge } from "../http/errors.ts";

/** Gives a request's body where it is here to its end and of a known length; null else, and nothing is read. */
export function bufferedBody(incoming: IncomingMessage): Buffer | null {
  const isWhole = incoming.complete && incoming.headers["content-length"] !== undefined;
  return isWhole ? incoming.read() : null;
}

/**
 * Gives a request's body as a stream of its own, so that an end of what reads it does not end the caller's connection.
 * It fails with 413 when there are more bytes than `maxBytes`, and when the caller leaves in the middle. Listeners, since
 * an async iterator costs as much as the rest of a small call.
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
  const onClose = () => body.destroy(new Error("the caller left"));
  const body = new Readable({
    // Of a stream of bytes that has come to its end undici takes the length, and would send one that the caller did not.
    objectMode: true,
    highWaterMark: 1,
    read: () => void incoming.resume(),
    destroy(error, callback) {
      incoming.off("data", onData).off("end", onEnd).off("close", onClose);
      // What is left of it waits for whoever closes the connection.
      if (!incoming.readableEnded) incoming.pause();
      callback(error);
    },
  });
  // A call that could not begin has nobody left who listens for it.
  body.on("error", () => {});
  incoming.on("data", onData).on("end", onEnd).on("close", onClose);
  return body;
}
