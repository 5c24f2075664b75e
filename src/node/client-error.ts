import { ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { ApiError, apiError, badRequest } from "../http/errors.ts";

/**
 * Makes the handler for `clientError`, which Node emits for bytes that are not a valid request: it sends an error after
 * the pending responses, then closes the connection.
 */
export function clientErrorHandler(
  errorResponse: (error: ApiError) => Response,
): (error: NodeJS.ErrnoException, socket: Duplex) => void {
  // Node emits the event again for every packet that follows.
  const answered = new WeakSet<Duplex>();

  async function sendFinalError(error: NodeJS.ErrnoException, socket: Duplex): Promise<void> {
    const current = "_httpMessage" in socket ? socket._httpMessage : undefined;
    const pending = current instanceof ServerResponse ? current : undefined;
    if (pending?.req.complete === true) {
      pending.once("close", () => void sendFinalError(error, socket));
      return;
    }
    const text = await serializeResponse(errorResponse(toApiError(error.code)));
    const hasBegun = pending?.headersSent ?? false;
    if (!socket.writable) socket.destroy();
    // A truncated response must not look complete.
    else if (hasBegun && pending?.writableEnded === false) pending.socket?.resetAndDestroy();
    else endWith(socket, hasBegun ? "" : text);
  }

  return (error, socket) => {
    if (error.code === "ECONNRESET") socket.destroy();
    if (answered.has(socket)) return;
    answered.add(socket);
    void sendFinalError(error, socket);
  };
}

/** Writes a response to a connection that Node has detached from its HTTP server. */
export async function writeRaw(socket: Duplex, response: Response): Promise<void> {
  endWith(socket, await serializeResponse(response));
}

function endWith(socket: Duplex, text: string): void {
  socket.end(text);
  // Closed after a delay: bytes arriving on a closed socket reset it, perhaps before the client has read the response.
  socket.resume();
  setTimeout(() => socket.destroy(), 500).unref();
}

async function serializeResponse(response: Response): Promise<string> {
  const head = [`HTTP/1.1 ${response.status} ${STATUS_CODES[response.status] ?? ""}`, "Connection: close"];
  response.headers.forEach((value, name) => head.push(`${name}: ${value}`));
  return `${head.join("\r\n")}\r\n\r\n${await response.text()}`;
}

function toApiError(code: string | undefined): ApiError {
  if (code === "HPE_HEADER_OVERFLOW") {
    return apiError(431, "headers_too_large", "Send fewer or shorter headers: 16 KB in all.");
  }
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
    const message = "Send the request faster (HEADERS_TIMEOUT, REQUEST_TIMEOUT).";
    return apiError(408, "request_timeout", message);
  }
  return badRequest("Send a well-formed HTTP/1.1 request.");
}
