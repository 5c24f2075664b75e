import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { Herd, HerdAnswer } from "./herd.ts";
import { idsOf, type HerdUpstream } from "./herd-upstream.ts";

const LIST_TIMEOUT_MS = 4000;
// Time that Keylane may add to a limit, plus the delay of a busy machine.
const SLACK_MS = 200 + 10_000;

/** Asserts that a response took no longer than a limit plus slack. */
export function expectWithin({ durationMs, text }: HerdAnswer, limitMs: number): void {
  expect(durationMs, text).toBeLessThan(limitMs + SLACK_MS);
}

/**
 * Requests a key's list until it is served, and waits for Retry-After, or `maxWaitMs` if shorter, between attempts.
 * Returns the number of 429 responses.
 */
export async function retryUntilServed(
  request: Herd["request"],
  key: string,
  maxWaitMs: number = Infinity,
): Promise<number> {
  let rateLimited = 0;
  for (;;) {
    const answer = await request(key);
    expectWithin(answer, LIST_TIMEOUT_MS);
    if (answer.status === 200) {
      expect(answer.ids()).toEqual(idsOf(key));
      return rateLimited;
    }
    expect([429, 504], answer.text).toContain(answer.status);
    expect(answer.retryAfterMs).toBeGreaterThanOrEqual(1000);
    if (answer.status === 429) rateLimited++;
    // 5 ms more, since a timer may fire early.
    await sleep(Math.min((answer.retryAfterMs ?? 0) + 5, maxWaitMs));
  }
}

/**
 * Asserts that upstream had at most 16 open list requests, and none for a key within `negativeMs` after an error for
 * it, except for `lost` errors, which arrived after Keylane's fetch had timed out.
 */
export function expectServedOnRetry(upstream: HerdUpstream, negativeMs: number, lost = 0): void {
  // A request that Keylane has aborted counts as open here until its connection closes.
  expect(upstream.maxConcurrent()).toBeLessThanOrEqual(16 + upstream.aborted());
  const failedAt = new Map<string, number>();
  const tooEarly: number[] = [];
  for (const { key, at, status } of upstream.requests) {
    const sinceMs = at - (failedAt.get(key) ?? -Infinity);
    // Two clocks of whole milliseconds may differ by one.
    if (sinceMs < negativeMs - 2) tooEarly.push(sinceMs);
    if (status === 200) failedAt.delete(key);
    else failedAt.set(key, at);
  }
  expect(tooEarly.slice(lost)).toEqual([]);
}
