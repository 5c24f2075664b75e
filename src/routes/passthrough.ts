import type { Context, Handler } from "hono";
import { namedCredential } from "../http/credential.ts";
import { bodyTooLarge, KeylaneError, methodNotAllowed, problem } from "../http/errors.ts";
import type { Observe } from "../observability/metrics.ts";
import { downward, endToEnd, field, upward, type FieldLines } from "../http/headers.ts";
import type { VisitEnv } from "../http/request-context.ts";

/** Every call that is not ours to answer: bytes up, bytes down. */
export function passthrough(
  maxBodyBytes: number,
  now: () => number,
  callerName: (credential: string) => string,
  observe: Observe,
): Handler<VisitEnv> {
  return (c: Context<VisitEnv>): Promise<Response> => {
    const { route, arrival, fields, seen } = c.env;
    if (!("path" in route)) throw new TypeError(`Not a passthrough route: ${route.room}`);
    const { method } = c.req.raw;
    const credential = namedCredential(arrival.field("authorization"), arrival.field("x-api-key"));
    if (credential !== undefined) seen.caller = callerName(credential);
    // TRACE sends the request back, credential and all (RFC 9110 §9.3.8).
    if (method === "TRACE") throw methodNotAllowed("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
    const sent = arrival.lines();
    if (isUpgrade(sent)) throw upgradeRefused();
    // RFC 9112 §6.1: a coding below the body that is not understood; without its label the body would be another one.
    if ((field(sent, "transfer-encoding") ?? "chunked").toLowerCase() !== "chunked")
      throw transferCodingRefused();
    if (Number(field(sent, "content-length") ?? 0) > maxBodyBytes) throw bodyTooLarge(maxBodyBytes);
    const { "X-Request-Id": _, ...cors } = fields;
    observe.passing(1);
    const carried = arrival.carry({
      method,
      path: route.path,
      lines: upward(sent),
      downward: (status, answered) => (status < 200 ? endToEnd(answered) : downward(answered, cors, now())),
    });
    return carried.finally(() => observe.passing(-1));
  };
}

// Some HTTP clients offer HTTP/2 in every cleartext request; to leave that offer alone is to decline it (RFC 9110 §7.8).
function isUpgrade(lines: FieldLines): boolean {
  const protocol = field(lines, "upgrade")?.trim().toLowerCase() ?? "";
  return protocol !== "" && protocol !== "h2c";
}

function upgradeRefused(): KeylaneError {
  const message = "Use plain HTTP requests: upgrades such as WebSocket do not pass through.";
  return new KeylaneError(problem(501, "upgrade_not_supported", message));
}

function transferCodingRefused(): KeylaneError {
  const message =
    "Send the body with `Transfer-Encoding: chunked` or none; a compressed one needs Content-Encoding.";
  return new KeylaneError(problem(501, "transfer_coding_not_supported", message));
}
