// 1,000 keys that start at once all get their lists from an upstream with a low rate limit.
import { expect, test } from "vitest";
import { sendConcurrently, startHerd } from "../support/herd.ts";
import { expectServedOnRetry, retryUntilServed } from "../support/retry-assertions.ts";
import { herdKey } from "../support/herd-upstream.ts";

const KEYS = 1000;
const PER_SECOND = 25;

test("1,000 keys at once get their lists from an upstream that allows 25 requests a second", async () => {
  const { request, upstream } = await startHerd();
  upstream.limit(PER_SECOND);
  upstream.delay(150);
  const startedAt = performance.now();
  const rejections = await sendConcurrently(KEYS, (index) => retryUntilServed(request, herdKey(index)));
  const seconds = (performance.now() - startedAt) / 1000;
  expectServedOnRetry(upstream, 5000, KEYS / 50);
  const rateLimited = upstream.requests.filter(({ status }) => status === 429).length;
  // `used`: the share of upstream's rate limit that was used.
  console.log(
    JSON.stringify({
      seconds: Math.round(seconds),
      rateLimited,
      aborted: upstream.aborted(),
      used: (KEYS / (PER_SECOND * (seconds + 1))).toFixed(2),
      maxRejections: Math.max(...rejections),
    }),
  );
  expect(upstream.requests.length - rateLimited).toBeGreaterThanOrEqual(KEYS);
}, 600_000);
