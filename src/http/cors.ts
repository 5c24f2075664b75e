import type { HeaderGetter } from "./headers.ts";

/** The origins whose pages may call: all, or a list. */
export type CorsOrigins = "*" | readonly string[];

const EXPOSED = "ETag, Age, Cache-Status, Retry-After, X-Request-Id";

/** The CORS fields of a response; none that allow anything for an origin that is not listed. */
export function corsFields(origins: CorsOrigins, origin: string | null): Record<string, string> {
  if (origins === "*") return { "Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": EXPOSED };
  if (origins.length === 0) return {};
  // The response differs by origin, for a browser's own cache too.
  if (origin === null || !origins.includes(origin)) return { Vary: "Origin" };
  return { "Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED, Vary: "Origin" };
}

/** Whether a request is a CORS preflight, which a browser sends before the real request. */
export function isPreflight(method: string, header: HeaderGetter): boolean {
  return method === "OPTIONS" && header("origin") !== null && header("access-control-request-method") !== null;
}

/** The fields of a preflight's response: an allowed origin may use whatever method and headers its page asks for. */
export function preflightFields(header: HeaderGetter, cors: Readonly<Record<string, string>>): Record<string, string> {
  const vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
  if (!("Access-Control-Allow-Origin" in cors)) return { Vary: vary };
  const requested = header("access-control-request-headers");
  return {
    "Access-Control-Allow-Methods": header("access-control-request-method") ?? "",
    "Access-Control-Max-Age": "86400",
    ...(requested === null ? {} : { "Access-Control-Allow-Headers": requested }),
    Vary: vary,
  };
}
