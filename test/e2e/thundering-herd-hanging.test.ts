// While upstream hangs, stored lists and passthrough work, and other keys get their lists as slots are freed.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { expectWithin, retryUntilServed } from "../support/retry-assertions.ts";
import { sendConcurrently, startHerd, type Herd, type HerdAnswer } from "../support/herd.ts";
import { herdKey, idsOf } from "../support/herd-upstream.ts";
import { POLL } from "../support/stale-setup.ts";

const TIMEOUT_MS = 2000;
const SETTINGS = { LIST_TIMEOUT: "2s", REFUSAL_MAX_AGE: "1s" };
const HANGING = Array.from({ length: 20 }, (_, index) => herdKey(1000 + index));
const COLD = Array.from({ length: 10 }, (_, index) => herdKey(2000 + index));
const [FRESH, STALE, OLD] = [herdKey(1), herdKey(2), herdKey(3)];

/** Stores lists of three ages, then makes upstream hang for some keys while 20 clients wait for their lists. */
async function hangingHerd(isHanging: (key: string) => boolean) {
  const all = await startHerd(SETTINGS);
  await all.request(OLD);
  await all.keylane.advance(3_600_000);
  await all.request(STALE);
  await all.keylane.advance(120_000);
  await all.request(FRESH);
  all.upstream.hang(isHanging);
  const waiting = Promise.all(HANGING.map((key) => all.request(key)));
  await expect.poll(() => all.upstream.requests.length, POLL).toBe(3 + 16);
  return { all, waiting };
}

/** Asserts that requests which need no list from upstream are answered at once. */
async function expectUnaffected({ request }: Herd) {
  const passed = await request(FRESH, "/v1/chat/completions", { method: "POST", body: "{}" });
  expect([passed.status, passed.text]).toEqual([200, '{"passed":"/v1/chat/completions"}']);
  const healthy = await request(undefined, "/healthz");
  expect(healthy.status).toBe(200);
  const fresh = await request(FRESH);
  expect(fresh.ids()).toEqual(idsOf(FRESH));
  expect(fresh.headers["cache-status"]).toMatch(/^keylane; hit; ttl=\d+$/);
  const stale = await request(STALE);
  expect(stale.ids()).toEqual(idsOf(STALE));
  expect(stale.headers["cache-status"]).toMatch(/hit; ttl=-\d+; detail=refreshing$/);
  for (const answer of [passed, healthy, fresh, stale]) expectWithin(answer, 0);
}

function expectTimedOut(answer: HerdAnswer) {
  expectWithin(answer, TIMEOUT_MS);
  expect([answer.status, answer.json().error.code]).toEqual([504, "upstream_timeout"]);
  expect(answer.retryAfterMs).toBeGreaterThanOrEqual(1000);
}

async function expectOldServed({ request }: Herd) {
  const old = await request(OLD);
  expect(old.ids()).toEqual(idsOf(OLD));
  // Not "upstream-failed": it was served before the fetch had ended.
  expect(old.headers["cache-status"]).toMatch(/hit; ttl=-\d+; detail=refreshing$/);
  expectWithin(old, TIMEOUT_MS / 2);
}

// On a busy machine the request for OLD may come too late to get the first free slot.
test("an upstream that hangs for 20 keys does not keep other keys from their lists", { retry: 2 }, async () => {
  const { all, waiting } = await hangingHerd((key) => HANGING.includes(key));
  await expectUnaffected(all);
  const cold = sendConcurrently(COLD.length, (index) => retryUntilServed(all.request, COLD[index] ?? ""));
  // So that slots are free again before these requests time out.
  await sleep(400);
  await expectOldServed(all);
  expect(all.upstream.requests).toHaveLength(3 + 16);
  for (const answer of await waiting) expectTimedOut(answer);
  await cold;
  const others = all.upstream.requests.slice(3).filter(({ key }) => !HANGING.includes(key));
  // OLD is fetched first although it was requested last, because it has a stored list. STALE is left out: its refresh
  // began with the hanging fetches and may time out together with them.
  expect(others.find(({ key }) => key !== STALE)?.key).toBe(OLD);
});

test("an upstream that hangs for all keys leaves stored lists available, and all keys recover once it answers", async () => {
  const { all, waiting } = await hangingHerd(() => true);
  await expectUnaffected(all);
  const cold = sendConcurrently(COLD.length, (index) => all.request(COLD[index]));
  await expectOldServed(all);
  await expectUnaffected(all);
  expect(all.upstream.requests).toHaveLength(3 + 16);
  for (const answer of [...(await waiting), ...(await cold)]) expectTimedOut(answer);
  all.upstream.hang(() => false);
  await sendConcurrently(COLD.length, (index) => retryUntilServed(all.request, COLD[index] ?? ""));
  await expect.poll(async () => (await all.request(STALE)).headers["age"], POLL).toMatch(/^\d$/);
  for (const key of [FRESH, STALE, OLD, ...COLD]) expect(await all.stored(key)).toEqual(idsOf(key));
});
