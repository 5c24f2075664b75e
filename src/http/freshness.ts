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
export function retentionMs({ maxAgeMs, staleWhileRevalidateMs, staleIfErrorMs }: Lifetimes): number {
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

// RFC 9111 §1.2.2: a number too large to hold counts as 2^31.
