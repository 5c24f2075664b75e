import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { bodyTooLarge } from "../http/errors.ts";

/** A request's body where all of it has arrived and its length is known; otherwise null, and nothing is read. */
export function bufferedBody(incoming: IncomingMessage): Buffer | null {
  const isWhole = incoming.complete && incoming.headers["content-length"] !== undefined;
  return isWhole ? incoming.read() : null;
}

/**
 * A request's body as a stream of its own, so that destroying the stream does not close the client's connection. It fails
 * with 413 beyond `maxBytes`, and when the client leaves before the end. It uses listeners, since an async iterator
 * costs as much as the rest of a small call.
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
    // undici would add a Content-Length that the client did not send, for a stream of bytes that has ended.
    objectMode: true,
    highWaterMark: 1,
    read: () => void incoming.resume(),
    destroy(error, callback) {
      incoming.off("data", onData).off("end", onEnd).off("close", onClose);
      // The rest stays unread until the connection is closed.
      if (!incoming.readableEnded) incoming.pause();
      callback(error);
    },
  });
  // A call that could not begin leaves no other listener.
  body.on("error", () => {});
  incoming.on("data", onData).on("end", onEnd).on("close", onClose);
  return body;
}
