import type { HeaderGetter } from "./headers.ts";

/** Who may call from a browser page: anyone, or a list of origins. */
export type CorsOrigins = "*" | readonly string[];

const EXPOSED = "ETag, Age, Cache-Status, Retry-After, X-Request-Id";

/** Makes the CORS fields of an answer; none for an origin that is not allowed. `origin` is the request's, or null. */
export function corsFields(origins: CorsOrigins, origin: string | null): Record<string, string> {
  if (origins === "*")
    return { "Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": EXPOSED };
  if (origins.length === 0) return {};
  // The answer differs by origin, for a browser's own cache too.
  if (origin === null || !origins.includes(origin)) return { Vary: "Origin" };
  return { "Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED, Vary: "Origin" };
}

/** Says whether a request is a preflight: a browser asks before it sends the real one. */
export function isPreflight(method: string, field: HeaderGetter): boolean {
  return method === "OPTIONS" && field("origin") !== null && field("access-control-request-method") !== null;
}

/** Answers a preflight: whatever method and headers the page asked for are allowed to an allowed origin. */
export function preflight(field: HeaderGetter, cors: Readonly<Record<string, string>>): Response {
  const isAllowed = "Access-Control-Allow-Origin" in cors;
  const allowed: Record<string, string> = isAllowed
    ? {
        "Access-Control-Allow-Methods": field("access-control-request-method") ?? "",
        "Access-Control-Max-Age": "86400",
      }
    : {};
  const asked = field("access-control-request-headers");
  if (isAllowed && asked !== null) allowed["Access-Control-Allow-Headers"] = asked;
  const vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
  return new Response(null, { status: 204, headers: { ...cors, ...allowed, Vary: vary } });
}
