import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { Storm, Told } from "./herd.ts";
import { idsOf, type StormUpstream } from "./herd-upstream.ts";

const LIST_TIMEOUT_MS = 4000;
// What Keylane adds to a limit, and what a busy machine may.
const SLACK_MS = 200 + 10_000;

/** An answer took no longer than a limit says, give or take. */
export function expectWithin({ ms, text }: Told, limitMs: number): void {
  expect(ms, text).toBeLessThan(limitMs + SLACK_MS);
}

/**
 * Asks for a key's list until it comes, back each time when Retry-After says so, or sooner where told to wait shorter.
 * Gives the number of times it met 429.
 */
export async function persevere(
  ask: Storm["ask"],
  key: string,
  longestMs: number = Infinity,
): Promise<number> {
  let refused = 0;
  for (;;) {
    const answer = await ask(key);
    expectWithin(answer, LIST_TIMEOUT_MS);
    if (answer.status === 200) {
      expect(answer.ids()).toEqual(idsOf(key));
      return refused;
    }
    expect([429, 504], answer.text).toContain(answer.status);
    expect(answer.retryAfterMs).toBeGreaterThanOrEqual(1000);
    if (answer.status === 429) refused++;
    // A little later, since timers may be early by a moment.
    await sleep(Math.min((answer.retryAfterMs ?? 0) + 5, longestMs));
  }
}

/**
 * Upstream met 16 questions at a time at most, and no key again within `refusalMs` after it was refused; but for
 * `unheard` refusals, which were on their way when the time for their fetch was over.
 */
export function expectPatience(upstream: StormUpstream, refusalMs: number, unheard = 0): void {
  // What Keylane has given up is open here until word of it comes.
  expect(upstream.most()).toBeLessThanOrEqual(16 + upstream.givenUp());
  const refusedAt = new Map<string, number>();
  const tooSoon: number[] = [];
  for (const { key, at, status } of upstream.asked) {
    const sinceMs = at - (refusedAt.get(key) ?? -Infinity);
    // Two clocks of whole milliseconds may differ by one.
    if (sinceMs < refusalMs - 2) tooSoon.push(sinceMs);
    if (status === 200) refusedAt.delete(key);
    else refusedAt.set(key, at);
  }
  expect(tooSoon.slice(unheard)).toEqual([]);
}
