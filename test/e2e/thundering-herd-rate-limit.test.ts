// Behind a rate-limited upstream every one of 300 keys gets its list, whether its client obeys Retry-After or not.
import { expect, test } from "vitest";
import { sendConcurrently, startHerd } from "../support/herd.ts";
import { expectServedOnRetry, retryUntilServed } from "../support/retry-assertions.ts";
import { herdKey } from "../support/herd-upstream.ts";

// Every fifth client ignores Retry-After, which gains it nothing and costs upstream nothing.
const isImpatient = (index: number) => index % 5 === 0;

test("300 keys behind a rate-limited upstream get their lists, whether their clients obey Retry-After or not", async () => {
  const { request, upstream } = await startHerd({ REFUSAL_MAX_AGE: "1s" });
  upstream.limit(50);
  upstream.delay(30);
  const rateLimited = await sendConcurrently(300, (index) =>
    retryUntilServed(request, herdKey(index), isImpatient(index) ? 100 : Infinity),
  );
  expectServedOnRetry(upstream, 1000);
  expect(Math.max(...rateLimited)).toBeGreaterThan(0);
  for (const [index, times] of rateLimited.entries()) {
    const upstream429 = upstream.requests.filter(({ key, status }) => key === herdKey(index) && status === 429).length;
    // A client that obeys Retry-After never gets the same negative entry twice: its list is fetched.
    if (isImpatient(index)) expect(times).toBeGreaterThanOrEqual(upstream429);
    else expect(times).toBe(upstream429);
  }
}, 60_000);
