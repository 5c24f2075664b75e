import type { Context, Handler } from "hono";
import { credentialForLog } from "../http/credential.ts";
import { bodyTooLarge, ApiError, methodNotAllowed, errorBody } from "../http/errors.ts";
import type { MetricsRecorder } from "../observability/metrics.ts";
import {
  toClientHeaders,
  endToEnd,
  firstHeader,
  toUpstreamHeaders,
  type RawHeaders,
} from "../http/headers.ts";
import type { AppEnv } from "../http/request-context.ts";

/** Every call that is not ours to answer: bytes up, bytes down. */
export function createPassthrough(
  maxBodyBytes: number,
  now: () => number,
  callerName: (credential: string) => string,
  observe: MetricsRecorder,
): Handler<AppEnv> {
  return (c: Context<AppEnv>): Promise<Response> => {
    const { route, request, headers, logFields } = c.env;
    if (!("path" in route)) throw new TypeError(`Not a passthrough route: ${route.room}`);
    const { method } = c.req.raw;
    const credential = credentialForLog(request.header("authorization"), request.header("x-api-key"));
    if (credential !== undefined) logFields.caller = callerName(credential);
    // TRACE sends the request back, credential and all (RFC 9110 §9.3.8).
    if (method === "TRACE") throw methodNotAllowed("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
    const sent = request.rawHeaders();
    if (isUpgrade(sent)) throw upgradeRefused();
    // RFC 9112 §6.1: a coding below the body that is not understood; without its label the body would be another one.
    if ((firstHeader(sent, "transfer-encoding") ?? "chunked").toLowerCase() !== "chunked")
      throw transferCodingRefused();
    if (Number(firstHeader(sent, "content-length") ?? 0) > maxBodyBytes) throw bodyTooLarge(maxBodyBytes);
    const { "X-Request-Id": _, ...cors } = headers;
    observe.recordStream(1);
    const carried = request.forward({
      method,
      path: route.path,
      rawHeaders: toUpstreamHeaders(sent),
      toClientHeaders: (status, answered) =>
        status < 200 ? endToEnd(answered) : toClientHeaders(answered, cors, now()),
    });
    return carried.finally(() => observe.recordStream(-1));
  };
}

// Some HTTP clients offer HTTP/2 in every cleartext request; to leave that offer alone is to decline it (RFC 9110 §7.8).
function isUpgrade(lines: RawHeaders): boolean {
  const protocol = firstHeader(lines, "upgrade")?.trim().toLowerCase() ?? "";
  return protocol !== "" && protocol !== "h2c";
}

function upgradeRefused(): ApiError {
  const message = "Use plain HTTP requests: upgrades such as WebSocket do not pass through.";
  return new ApiError(errorBody(501, "upgrade_not_supported", message));
}

function transferCodingRefused(): ApiError {
  const message =
    "Send the body with `Transfer-Encoding: chunked` or none; a compressed one needs Content-Encoding.";
  return new ApiError(errorBody(501, "transfer_coding_not_supported", message));
}
