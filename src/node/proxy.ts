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
 * Forwards passthrough calls between Node's request and response: `Request` and `Response` would decode bodies, join
 * header lines and pass every chunk through two more streams.
 */
export function createProxy(
  dispatcher: Dispatcher,
  { passthroughUrl, passthroughTimeoutMs, maxBodyBytes, compressUploads }: ProxySettings,
): ForwardFactory {
  const { origin, pathname } = new URL(passthroughUrl);
  const basePath = pathname === "/" ? "" : pathname;

  return (incoming, outgoing) => (call) =>
    new Promise((resolve, reject) => {
      const handler = responseHandler(outgoing, call, resolve, (error) => {
        // The rest of the body would be read as the next request.
        if (!incoming.complete) outgoing.shouldKeepAlive = false;
        reject(error);
      });
      const dispatch = (rawHeaders: RawHeaders, body: Readable | Buffer | null) => {
        try {
          dispatcher.dispatch(
            {
              origin,
              path: basePath + call.path,
              method: call.method,
              headers: [...rawHeaders],
              body,
              headersTimeout: passthroughTimeoutMs,
              bodyTimeout: passthroughTimeoutMs,
            },
            handler,
          );
        } catch (error) {
          reject(toApiError(error));
        }
      };
      if (!hasBody(incoming)) return dispatch(call.rawHeaders, null);
      // Node reads on before this runs: most bodies arrive right behind their headers, and go up in the same write.
      setImmediate(() => {
        const isCompressed = compressUploads && isCompressible(call);
        const buffered = isCompressed ? null : bufferedBody(incoming);
        if (buffered !== null) return dispatch(call.rawHeaders, buffered);
        const body = streamedBody(incoming, maxBodyBytes);
        // Also if undici never read the body, which would otherwise buffer all that still arrives.
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
  let isClientGone = outgoing.destroyed;
  let upstream: Dispatcher.DispatchController | undefined;
  // nginx's status for a client that closed its connection before the response; only the log shows it.
  let status = 499;
  const onClientClose = () => {
    if (outgoing.writableFinished) return;
    isClientGone = true;
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
      if (isClientGone) controller.abort(new Error("the client left"));
    },
    onResponseStart(controller, statusCode, _headers, reason = "") {
      const rawHeaders = toRawHeaders(controller.rawHeaders);
      if (statusCode < 200) {
        // Node 22 cannot send interim responses, HTTP/1.0 clients cannot parse them, and they cannot be paused: they
        // would accumulate here for a client that does not read.
        const canReceive = outgoing.req.httpVersion !== "1.0" && outgoing.socket?.writableNeedDrain === false;
        if (canReceive && "writeInformation" in outgoing) {
          outgoing.writeInformation(statusCode, call.toClientHeaders(statusCode, rawHeaders));
        }
        return;
      }
      status = statusCode;
      outgoing.sendDate = false;
      outgoing.writeHead(statusCode, statusMessage(statusCode, reason), call.toClientHeaders(statusCode, rawHeaders));
      // Sent in one write with the first bytes of the body if those have arrived, else at once.
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
      if (!outgoing.headersSent && !isClientGone) {
        outgoing.off("close", onClientClose);
        reject(toApiError(error));
        return;
      }
      // A truncated response must not look complete; without a length or chunks only a reset shows it.
      if (outgoing.req.httpVersion === "1.0") outgoing.socket?.resetAndDestroy();
      else outgoing.destroy();
      done();
    },
  };
}

// undici decodes a reason phrase as UTF-8, and Node throws on unprintable ones: the standard phrase replaces those.
function statusMessage(status: number, reason: string): string {
  return /^[\t\x20-\x7e]*$/.test(reason) ? reason : (STATUS_CODES[status] ?? "");
}

// undici gives raw header lines as Latin-1 bytes, which is what Node writes.
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
  if (TIMEOUT_CODES.has(code)) return upstreamTimeout();
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
