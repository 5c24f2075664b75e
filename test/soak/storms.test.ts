import { expect, test } from "vitest";
import { crowd, storm } from "../support/herd.ts";
import { expectPatience, persevere } from "../support/retry-assertions.ts";
import { guest } from "../support/herd-upstream.ts";

const KEYS = 1000;
const PER_SECOND = 25;

test("1,000 keys at once get their lists of an upstream that lets 25 a second pass", async () => {
  const { ask, upstream } = await storm();
  upstream.limit(PER_SECOND);
  upstream.delay(150);
  const startedAt = performance.now();
  const met = await crowd(KEYS, (index) => persevere(ask, guest(index)));
  const seconds = (performance.now() - startedAt) / 1000;
  expectPatience(upstream, 5000, KEYS / 50);
  const refused = upstream.asked.filter(({ status }) => status === 429).length;
  // How much of what upstream would have given was taken.
  console.log(
    JSON.stringify({
      seconds: Math.round(seconds),
      refused,
      givenUp: upstream.givenUp(),
      used: (KEYS / (PER_SECOND * (seconds + 1))).toFixed(2),
      mostRefusals: Math.max(...met),
    }),
  );
  expect(upstream.asked.length - refused).toBeGreaterThanOrEqual(KEYS);
}, 600_000);
