/** The request directives that Keylane honours (RFC 9111 §5.2.1). */
export interface Directives {
  readonly noCache: boolean;
  readonly noStore: boolean;
  readonly onlyIfCached: boolean;
  readonly maxAgeMs: number | undefined;
}

const NO_DIRECTIVES: Directives = {
  noCache: false,
  noStore: false,
  onlyIfCached: false,
  maxAgeMs: undefined,
};

/** Parses a request's Cache-Control; unknown and malformed directives have no effect. */
export function parseDirectives(cacheControl: string | null): Directives {
  if (cacheControl === null) return NO_DIRECTIVES;
  const found = { ...NO_DIRECTIVES };
  for (const directive of cacheControl.toLowerCase().split(",")) {
    const [name, value] = directive.split("=", 2).map((part) => part.trim());
    if (name === "no-cache") found.noCache = true;
    else if (name === "no-store") found.noStore = true;
    else if (name === "only-if-cached") found.onlyIfCached = true;
    else if (name === "max-age") found.maxAgeMs = deltaSeconds(value) ?? found.maxAgeMs;
  }
  return found;
}

/** Parses upstream's Retry-After (RFC 9110 §10.2.3), seconds or a date, into milliseconds from `now`. */
export function parseRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined;
  const ms = deltaSeconds(value);
  if (ms !== undefined) return ms;
  // Date.parse finds a date in almost any text with a number.
  const at = /^[a-z]{3,9}, .+ gmt$/i.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.min(Math.max(0, at - now), MAX_DELTA_MS);
}

const MAX_DELTA_MS = 2 ** 31 * 1000;

// RFC 9111 §1.2.2: a number too large to hold counts as 2^31.
function deltaSeconds(value: string | undefined): number | undefined {
  const digits = /^"?(\d+)"?$/.exec(value?.trim() ?? "")?.[1];
  return digits === undefined ? undefined : Math.min(Number(digits) * 1000, MAX_DELTA_MS);
}

/** Whether an If-None-Match field lists the validator, by weak comparison (RFC 9110 §13.1.2). */
export function matchesEtag(ifNoneMatch: string, etag: string): boolean {
  if (ifNoneMatch.trim() === "*") return true;
  const opaque = etag.replace(/^W\//, "");
  return (ifNoneMatch.match(/(?:W\/)?"[^"]*"/g) ?? []).some((tag) => tag.replace(/^W\//, "") === opaque);
}

/** How the cache handled a list request, in the terms of RFC 9211. */
export type CacheOutcome =
  | { readonly by: "hit"; readonly ttlMs: number; readonly detail?: "refreshing" | "upstream-failed" }
  | {
      readonly by: "forward";
      readonly why: "uri-miss" | "stale" | "request" | "bypass";
      readonly isStored: boolean;
      readonly isCollapsed: boolean;
    };

/** The Cache-Status field (RFC 9211 §2). `ttl` is in whole seconds, negative when stale. */
export function cacheStatus(outcome: CacheOutcome): string {
  if (outcome.by === "hit") {
    const detail = outcome.detail === undefined ? "" : `; detail=${outcome.detail}`;
    return `keylane; hit; ttl=${Math.floor(outcome.ttlMs / 1000)}${detail}`;
  }
  const stored = outcome.isStored ? "; stored" : "";
  return `keylane; fwd=${outcome.why}${stored}${outcome.isCollapsed ? "; collapsed" : ""}`;
}

export type CacheLabel = "hit" | "stale" | "collapsed" | "miss" | "request" | "bypass";

/** The outcome as one label, for log and metrics. */
export function cacheLabel(outcome: CacheOutcome): CacheLabel {
  if (outcome.by === "hit") return outcome.ttlMs >= 0 ? "hit" : "stale";
  if (outcome.isCollapsed) return "collapsed";
  return outcome.why === "uri-miss" ? "miss" : outcome.why;
}
