import { expect, test } from "vitest";
import { crowd, storm } from "../support/herd.ts";
import { expectPatience, persevere } from "../support/retry-assertions.ts";
import { guest } from "../support/herd-upstream.ts";

// Every fifth does not wait: that helps nobody, and costs upstream nothing.
const isHasty = (index: number) => index % 5 === 0;

test("a crowd of keys before an upstream with a limit gets its lists, whoever comes back when Retry-After says so and whoever does not wait", async () => {
  const { ask, upstream } = await storm({ REFUSAL_MAX_AGE: "1s" });
  upstream.limit(50);
  upstream.delay(30);
  const met = await crowd(300, (index) => persevere(ask, guest(index), isHasty(index) ? 100 : Infinity));
  expectPatience(upstream, 1000);
  expect(Math.max(...met)).toBeGreaterThan(0);
  for (const [index, times] of met.entries()) {
    const refused = upstream.asked.filter(({ key, status }) => key === guest(index) && status === 429).length;
    // Who waits as he was told is not told the same again, but asked for.
    if (isHasty(index)) expect(times).toBeGreaterThanOrEqual(refused);
    else expect(times).toBe(refused);
  }
}, 60_000);
