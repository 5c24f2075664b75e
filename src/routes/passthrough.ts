import type { Context, Handler } from "hono";
import { credentialForLog } from "../http/credential.ts";
import { ApiError, apiError, bodyTooLarge, methodNotAllowed } from "../http/errors.ts";
import type { Clock } from "../http/freshness.ts";
import { endToEnd, firstHeader, toClientHeaders, toUpstreamHeaders, type RawHeaders } from "../http/headers.ts";
import type { AppEnv } from "../http/request-context.ts";
import type { MetricsRecorder } from "../observability/metrics.ts";

/** The methods that pass through. Not TRACE, which sends the request back with its credential (RFC 9110 §9.3.8). */
export const PASSTHROUGH_METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";

/** Forwards every call that Keylane does not answer itself: bytes up, bytes down. */
export function createPassthrough(
  maxBodyBytes: number,
  now: Clock,
  clientName: (credential: string) => string,
  metrics: MetricsRecorder,
): Handler<AppEnv> {
  return (c: Context<AppEnv>): Promise<Response> => {
    const { route, request, responseHeaders, logFields } = c.env;
    if (!("upstreamPath" in route)) throw new TypeError(`Not a passthrough route: ${route.kind}`);
    const { method } = c.req.raw;
    const credential = credentialForLog(request.header("authorization"), request.header("x-api-key"));
    if (credential !== undefined) logFields.caller = clientName(credential);
    if (method === "TRACE") throw methodNotAllowed(PASSTHROUGH_METHODS);
    const sent = request.rawHeaders();
    if (isUpgrade(sent)) throw upgradeRefused();
    // RFC 9112 §6.1: an unknown coding below the body; without its label the body would be another one.
    if ((firstHeader(sent, "transfer-encoding") ?? "chunked").toLowerCase() !== "chunked")
      throw transferCodingRefused();
    if (Number(firstHeader(sent, "content-length") ?? 0) > maxBodyBytes) throw bodyTooLarge(maxBodyBytes);
    const { "X-Request-Id": _, ...cors } = responseHeaders;
    metrics.recordStream(1);
    const forwarded = request.forward({
      method,
      path: route.upstreamPath,
      rawHeaders: toUpstreamHeaders(sent),
      toClientHeaders: (status, received) =>
        status < 200 ? endToEnd(received) : toClientHeaders(received, cors, now()),
    });
    return forwarded.finally(() => metrics.recordStream(-1));
  };
}

// Some HTTP clients offer HTTP/2 in every cleartext request; leaving the offer unanswered declines it (RFC 9110 §7.8).
function isUpgrade(headers: RawHeaders): boolean {
  const protocol = firstHeader(headers, "upgrade")?.trim().toLowerCase() ?? "";
  return protocol !== "" && protocol !== "h2c";
}

function upgradeRefused(): ApiError {
  const message = "Use plain HTTP requests: upgrades such as WebSocket do not pass through.";
  return apiError(501, "upgrade_not_supported", message);
}

function transferCodingRefused(): ApiError {
  const message = "Send the body with `Transfer-Encoding: chunked` or none; a compressed one needs Content-Encoding.";
  return apiError(501, "transfer_coding_not_supported", message);
}
