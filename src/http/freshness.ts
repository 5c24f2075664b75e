/** Gives milliseconds since the epoch. */
export type Clock = () => number;

/** How long a stored list may be served, as RFC 5861 counts. */
export interface Lifetimes {
  readonly maxAgeMs: number;
  /** Counted from the end of freshness. */
  readonly staleWhileRevalidateMs: number;
  /** Counted from the end of freshness. */
  readonly staleIfErrorMs: number;
}

export interface ListLifetimes extends Lifetimes {
  /** How long a failed fetch is remembered, and an empty list served. */
  readonly refusalMaxAgeMs: number;
}

/** The lifetimes of a list. An empty one may be upstream's mistake: it is served for REFUSAL_MAX_AGE, and never stale. */
export function lifetimesOf({ isEmpty }: { readonly isEmpty: boolean }, settings: ListLifetimes): Lifetimes {
  if (!isEmpty) return settings;
  const maxAgeMs = Math.min(settings.maxAgeMs, settings.refusalMaxAgeMs);
  return { maxAgeMs, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 };
}

/** How long a list may be served in all, counted from `storedAt`. */
export function retentionMs({ maxAgeMs, staleWhileRevalidateMs, staleIfErrorMs }: Lifetimes): number {
  return maxAgeMs + Math.max(staleWhileRevalidateMs, staleIfErrorMs);
}

/** Instants further ahead than this come from a wrong clock and are ignored. */
export const CLOCK_SKEW_MS = 60_000;

export type Freshness = "fresh" | "stale-while-revalidate" | "stale-if-error" | "expired";

/** The state of a stored list by its age alone: RFC 9111 §4.2 for freshness, RFC 5861 §3 and §4 for the rest. */
export function freshness(ageMs: number, lifetimes: Lifetimes): Freshness {
  const staleForMs = ageMs - lifetimes.maxAgeMs;
  if (staleForMs < 0) return "fresh";
  if (staleForMs < lifetimes.staleWhileRevalidateMs) return "stale-while-revalidate";
  if (staleForMs < lifetimes.staleIfErrorMs) return "stale-if-error";
  return "expired";
}

/** The age in milliseconds; 0, never negative, after a clock has stepped back. */
export function age(storedAt: number, now: number): number {
  return Math.max(0, now - storedAt);
}
