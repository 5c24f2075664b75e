/** What a caller's Cache-Control asks of a cache (RFC 9111 §5.2.1), as far as Keylane honours it. */
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

/** Reads a request's Cache-Control; unknown and malformed directives ask nothing. */
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

/** Reads an upstream's Retry-After (RFC 9110 §10.2.3), seconds or a date; gives milliseconds from now. */
export function parseRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined;
  const ms = deltaSeconds(value);
  if (ms !== undefined) return ms;
  // Date.parse finds a date in almost any text that holds a number.
  const at = /^[a-z]{3,9}, .+ gmt$/i.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.min(Math.max(0, at - now), LONGEST_MS);
}

const LONGEST_MS = 2 ** 31 * 1000;

// RFC 9111 §1.2.2: a number too large to hold counts as 2^31.
function deltaSeconds(value: string | undefined): number | undefined {
  const digits = /^"?(\d+)"?$/.exec(value?.trim() ?? "")?.[1];
  return digits === undefined ? undefined : Math.min(Number(digits) * 1000, LONGEST_MS);
}

/** Says whether an If-None-Match field names the validator, by weak comparison (RFC 9110 §13.1.2). */
export function matchesEtag(ifNoneMatch: string, etag: string): boolean {
  if (ifNoneMatch.trim() === "*") return true;
  const opaque = etag.replace(/^W\//, "");
  return (ifNoneMatch.match(/(?:W\/)?"[^"]*"/g) ?? []).some((tag) => tag.replace(/^W\//, "") === opaque);
}
