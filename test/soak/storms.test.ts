import { expect, test } from "vitest";
import { sendConcurrently, startHerd } from "../support/herd.ts";
import { expectServedOnRetry, retryUntilServed } from "../support/retry-assertions.ts";
import { herdKey } from "../support/herd-upstream.ts";

const KEYS = 1000;
const PER_SECOND = 25;

test("1,000 keys at once get their lists of an upstream that lets 25 a second pass", async () => {
  const { request, upstream } = await startHerd();
  upstream.limit(PER_SECOND);
  upstream.delay(150);
  const startedAt = performance.now();
  const met = await sendConcurrently(KEYS, (index) => retryUntilServed(request, herdKey(index)));
  const seconds = (performance.now() - startedAt) / 1000;
  expectServedOnRetry(upstream, 5000, KEYS / 50);
  const refused = upstream.requests.filter(({ status }) => status === 429).length;
  // How much of what upstream would have given was taken.
  console.log(
    JSON.stringify({
      seconds: Math.round(seconds),
      refused,
      givenUp: upstream.aborted(),
      used: (KEYS / (PER_SECOND * (seconds + 1))).toFixed(2),
      mostRefusals: Math.max(...met),
    }),
  );
  expect(upstream.requests.length - refused).toBeGreaterThanOrEqual(KEYS);
}, 600_000);
