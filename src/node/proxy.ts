import { STATUS_CODES, type IncomingMessage, type ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import { badRequest, ApiError, errorBody } from "../http/errors.ts";
import type { RawHeaders } from "../http/headers.ts";
import type { ProxyRequest } from "../http/request-context.ts";
import type { ForwardFactory } from "./request.ts";
import { streamedBody, bufferedBody } from "./request-body.ts";
import { compressUpload, isCompressible } from "./upload-compression.ts";

export interface ProxySettings {
  readonly passthroughUrl: string;
  /** The longest silence of upstream, before its headers or within its body. */
  readonly passthroughTimeoutMs: number;
  readonly maxBodyBytes: number;
  readonly compressUploads: boolean;
}

/**
 * Carries passthrough calls between Node's own request and response, below Request and Response: there, bodies are
 * decoded, field lines joined, and every chunk crosses two more streams.
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
        // What is left of the body would be read as the next request.
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
      // By then Node has read on: most bodies came together with their header section, and go up with it in one write.
      setImmediate(() => {
        const isCompressed = compressUploads && isCompressible(call);
        const whole = isCompressed ? null : bufferedBody(incoming);
        if (whole !== null) return dispatch(call.rawHeaders, whole);
        const body = streamedBody(incoming, maxBodyBytes);
        // Where undici never came to read it, too: it would hold on to what else comes.
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
  // Nginx's number for a caller who left before there was a status; it is seen in the log alone.
  let status = 499;
  const onClientClose = () => {
    if (outgoing.writableFinished) return;
    hasLeft = true;
    upstream?.abort(new Error("the caller left"));
  };
  outgoing.once("close", onClientClose);
  const done = () => {
    outgoing.off("close", onClientClose);
    resolve(new Response(null, { status }));
  };
  return {
    onRequestStart(controller) {
      upstream = controller;
      if (hasLeft) controller.abort(new Error("the caller left"));
    },
    onResponseStart(controller, statusCode, _headers, reason = "") {
      const lines = toRawHeaders(controller.rawHeaders);
      if (statusCode < 200) {
        // Node 22 has no way to send it, HTTP/1.0 none to receive it; and what a caller does not read would pile up here:
        // an interim answer cannot be paused.
        const isTaken = outgoing.req.httpVersion !== "1.0" && outgoing.socket?.writableNeedDrain === false;
        if (isTaken && "writeInformation" in outgoing) {
          outgoing.writeInformation(statusCode, call.toClientHeaders(statusCode, lines));
        }
        return;
      }
      status = statusCode;
      outgoing.sendDate = false;
      outgoing.writeHead(
        statusCode,
        statusMessage(statusCode, reason),
        call.toClientHeaders(statusCode, lines),
      );
      // Together with the first bytes of the body where they are here already, else at once.
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
      // Never a clean end to a cut answer. Without a length or chunks only a reset tells the two apart.
      if (outgoing.req.httpVersion === "1.0") outgoing.socket?.resetAndDestroy();
      else outgoing.destroy();
      done();
    },
  };
}

// undici reads a phrase as UTF-8, and Node refuses to write what is not printable: it says nothing that the status does not.
function statusMessage(status: number, reason: string): string {
  return /^[\t\x20-\x7e]*$/.test(reason) ? reason : (STATUS_CODES[status] ?? "");
}

// undici hands raw fields on as bytes of Latin-1, which is what Node writes.
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
    return failure(504, "upstream_timeout", "NanoGPT did not answer in time: try again.");
  }
  if (INVALID_RESPONSE_CODES.has(code) || (error instanceof Error && error.name === "HTTPParserError")) {
    return failure(
      502,
      "upstream_invalid_response",
      "NanoGPT's answer was not HTTP that can be passed on: try again.",
    );
  }
  if (code === "UND_ERR_SOCKET" || code === "ECONNRESET" || code === "EPIPE") {
    return failure(502, "upstream_error", "NanoGPT closed the connection before it answered: try again.");
  }
  const message =
    "NanoGPT could not be reached: check this host's network and PASSTHROUGH_URL, then try again.";
  return failure(502, "upstream_unreachable", message);
}

function failure(status: number, code: string, message: string): ApiError {
  return new ApiError(errorBody(status, code, message), { "Retry-After": "1" });
}
