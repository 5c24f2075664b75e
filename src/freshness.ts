/** How long a stored list may be used, each time counted as RFC 5861 does. */
export interface Lifetimes {
  readonly maxAgeMs: number;
  /** Counted from the end of freshness. */
  readonly staleWhileRevalidateMs: number;
  /** Counted from the end of freshness. */
  readonly staleIfErrorMs: number;
}

export interface ListLifetimes extends Lifetimes {
  /** How long a failed answer is remembered, and an empty list believed. */
  readonly refusalMaxAgeMs: number;
}

/** Gives a list's lifetimes. An empty one may be the user's wish or upstream's slip: it is believed as long as a refusal is. */
export function lifetimesOf({ isEmpty }: { readonly isEmpty: boolean }, settings: ListLifetimes): Lifetimes {
  if (!isEmpty) return settings;
  const maxAgeMs = Math.min(settings.maxAgeMs, settings.refusalMaxAgeMs);
  return { maxAgeMs, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 };
}

/** How long a list can be of any use, from when it was stored. */
export function longestLifeMs({ maxAgeMs, staleWhileRevalidateMs, staleIfErrorMs }: Lifetimes): number {
  return maxAgeMs + Math.max(staleWhileRevalidateMs, staleIfErrorMs);
}

/** What comes from further ahead than this was written by a clock that nobody should follow. */
export const CLOCK_SKEW_MS = 60_000;

export type Freshness = "fresh" | "stale-while-revalidate" | "stale-if-error" | "expired";

/** Judges a stored list by its age alone: RFC 9111 §4.2 for freshness, RFC 5861 §3 and §4 for what follows. */
export function freshness(ageMs: number, lifetimes: Lifetimes): Freshness {
  const staleForMs = ageMs - lifetimes.maxAgeMs;
  if (staleForMs < 0) return "fresh";
  if (staleForMs < lifetimes.staleWhileRevalidateMs) return "stale-while-revalidate";
  if (staleForMs < lifetimes.staleIfErrorMs) return "stale-if-error";
  return "expired";
}

/** Gives the age in milliseconds. A clock that stepped back makes it 0, never negative. */
export function age(storedAt: number, now: number): number {
  return Math.max(0, now - storedAt);
}

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
export function directives(cacheControl: string | null): Directives {
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
export function retryAfterMs(value: string | null, now: number): number | undefined {
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
