import { STATUS_CODES, type IncomingMessage, type ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import { ApiError, badGateway, badRequest, upstreamTimeout, upstreamUnreachable } from "../http/errors.ts";
import type { Settings } from "../config/settings.ts";
import type { RawHeaders } from "../http/headers.ts";
import type { ProxyRequest } from "../http/request-context.ts";
import { streamedBody, bufferedBody } from "./request-body.ts";
import type { ForwardFactory } from "./request.ts";
import { compressUpload, isCompressible } from "./upload-compression.ts";

type ProxySettings = Pick<Settings, "passthroughUrl" | "passthroughTimeoutMs" | "maxBodyBytes" | "compressUploads">;

/**
 * Forwards passthrough calls between Node's own request and response, below Request and Response: those decode bodies, join
 * header lines, and pass every chunk through two more streams.
 */
export function createProxy(
  dispatcher: Dispatcher,
  { passthroughUrl, passthroughTimeoutMs, maxBodyBytes, compressUploads }: ProxySettings,
): ForwardFactory {
  const { origin, pathname } = new URL(passthroughUrl);
  const basePath = pathname === "/" ? "" : pathname;

  return (incoming, outgoing) => (call) =>
    new Promise((resolve, reject) => {
      const answer = responseHandler(outgoing, call, resolve, (error) => {
        // The rest of the body would be read as the next request.
        if (!incoming.complete) outgoing.shouldKeepAlive = false;
        reject(error);
      });
      const dispatch = (lines: RawHeaders, body: Readable | Buffer | null) => {
        try {
          dispatcher.dispatch(
            {
              origin,
              path: basePath + call.path,
              method: call.method,
              headers: [...lines],
              body,
              headersTimeout: passthroughTimeoutMs,
              bodyTimeout: passthroughTimeoutMs,
            },
            answer,
          );
        } catch (error) {
          reject(toApiError(error));
        }
      };
      if (!hasBody(incoming)) return dispatch(call.rawHeaders, null);
      // By then Node has read on: most bodies arrive together with their headers, and are sent with them in one write.
      setImmediate(() => {
        const isCompressed = compressUploads && isCompressible(call);
        const whole = isCompressed ? null : bufferedBody(incoming);
        if (whole !== null) return dispatch(call.rawHeaders, whole);
        const body = streamedBody(incoming, maxBodyBytes);
        // Also where undici never read it: it would buffer whatever else arrives.
        outgoing.once("close", () => body.destroy());
        if (!isCompressed) return dispatch(call.rawHeaders, body);
        compressUpload(call, body)
          .then(({ rawHeaders, body }) => dispatch(rawHeaders, body))
          .catch((error: unknown) => reject(toApiError(error)));
      });
    });
}

function responseHandler(
  outgoing: ServerResponse,
  call: ProxyRequest,
  resolve: (response: Response) => void,
  reject: (error: ApiError) => void,
): Dispatcher.DispatchHandler {
  let hasLeft = outgoing.destroyed;
  let upstream: Dispatcher.DispatchController | undefined;
  // Nginx's status for a client that left before the response; only the log shows it.
  let status = 499;
  const onClientClose = () => {
    if (outgoing.writableFinished) return;
    hasLeft = true;
    upstream?.abort(new Error("the client left"));
  };
  outgoing.once("close", onClientClose);
  const done = () => {
    outgoing.off("close", onClientClose);
    resolve(new Response(null, { status }));
  };
  return {
    onRequestStart(controller) {
      upstream = controller;
      if (hasLeft) controller.abort(new Error("the client left"));
    },
    onResponseStart(controller, statusCode, _headers, reason = "") {
      const lines = toRawHeaders(controller.rawHeaders);
      if (statusCode < 200) {
        // Node 22 cannot send it, HTTP/1.0 cannot receive it; and it cannot be paused, so for a client that does not read it
        // would pile up here.
        const isTaken = outgoing.req.httpVersion !== "1.0" && outgoing.socket?.writableNeedDrain === false;
        if (isTaken && "writeInformation" in outgoing) {
          outgoing.writeInformation(statusCode, call.toClientHeaders(statusCode, lines));
        }
        return;
      }
      status = statusCode;
      outgoing.sendDate = false;
      outgoing.writeHead(statusCode, statusMessage(statusCode, reason), call.toClientHeaders(statusCode, lines));
      // Sent together with the first bytes of the body where those have arrived, else at once.
      process.nextTick(() => outgoing.flushHeaders());
    },
    onResponseData(controller, chunk) {
      if (outgoing.write(chunk)) return;
      controller.pause();
      outgoing.once("drain", () => controller.resume());
    },
    onResponseEnd() {
      outgoing.end();
      done();
    },
    onResponseError(_controller, error) {
      if (!outgoing.headersSent && !hasLeft) {
        outgoing.off("close", onClientClose);
        reject(toApiError(error));
        return;
      }
      // A response that was cut must not end cleanly. Without a length or chunks only a reset shows the difference.
      if (outgoing.req.httpVersion === "1.0") outgoing.socket?.resetAndDestroy();
      else outgoing.destroy();
      done();
    },
  };
}

// undici decodes a reason phrase as UTF-8, and Node refuses to write unprintable ones: the standard phrase says the same.
function statusMessage(status: number, reason: string): string {
  return /^[\t\x20-\x7e]*$/.test(reason) ? reason : (STATUS_CODES[status] ?? "");
}

// undici gives raw header lines as bytes of Latin-1, which is what Node writes.
function toRawHeaders(raw: Dispatcher.DispatchController["rawHeaders"]): RawHeaders {
  return Array.isArray(raw) ? raw.map((part) => part.toString("latin1")) : [];
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

const TIMEOUT_CODES = new Set(["UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT", "UND_ERR_CONNECT_TIMEOUT"]);
const INVALID_RESPONSE_CODES = new Set(["UND_ERR_HEADERS_OVERFLOW", "UND_ERR_RES_CONTENT_LENGTH_MISMATCH"]);

function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
  if (code === "UND_ERR_INVALID_ARG" || code === "UND_ERR_NOT_SUPPORTED") {
    return badRequest("Send a method, path and header fields that HTTP allows.");
  }
  if (TIMEOUT_CODES.has(code)) {
    return upstreamTimeout();
  }
  if (INVALID_RESPONSE_CODES.has(code) || (error instanceof Error && error.name === "HTTPParserError")) {
    return badGateway(
      502,
      "upstream_invalid_response",
      "NanoGPT's answer was not HTTP that can be passed on: try again.",
    );
  }
  if (code === "UND_ERR_SOCKET" || code === "ECONNRESET" || code === "EPIPE") {
    return badGateway(502, "upstream_error", "NanoGPT closed the connection before it answered: try again.");
  }
  return upstreamUnreachable("check this host's network and PASSTHROUGH_URL");
}
