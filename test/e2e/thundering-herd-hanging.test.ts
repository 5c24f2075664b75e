import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { expectWithin, persevere } from "../support/retry-assertions.ts";
import { crowd, storm, type Storm, type Told } from "../support/herd.ts";
import { guest, idsOf } from "../support/herd-upstream.ts";
import { SOON } from "../support/stale-setup.ts";

const TIMEOUT_MS = 2000;
const SETTINGS = { LIST_TIMEOUT: "2s", REFUSAL_MAX_AGE: "1s" };
const HANGING = Array.from({ length: 20 }, (_, index) => guest(1000 + index));
const COLD = Array.from({ length: 10 }, (_, index) => guest(2000 + index));
const [FRESH, STALE, OLD] = [guest(1), guest(2), guest(3)];

/** Lists of three ages, before an upstream that from then on hangs for some, and 20 callers who wait for it. */
async function hangingStorm(isHanging: (key: string) => boolean) {
  const all = await storm(SETTINGS);
  await all.ask(OLD);
  await all.keylane.advance(3_600_000);
  await all.ask(STALE);
  await all.keylane.advance(120_000);
  await all.ask(FRESH);
  all.upstream.hang(isHanging);
  const waiting = Promise.all(HANGING.map((key) => all.ask(key)));
  await expect.poll(() => all.upstream.asked.length, SOON).toBe(3 + 16);
  return { all, waiting };
}

/** What needs nothing of upstream's lists comes as if nothing were wrong. */
async function expectUntouched({ ask }: Storm) {
  const passed = await ask(FRESH, "/v1/chat/completions", { method: "POST", body: "{}" });
  expect([passed.status, passed.text]).toEqual([200, '{"passed":"/v1/chat/completions"}']);
  const healthy = await ask(undefined, "/healthz");
  expect(healthy.status).toBe(200);
  const fresh = await ask(FRESH);
  expect(fresh.ids()).toEqual(idsOf(FRESH));
  expect(fresh.headers["cache-status"]).toMatch(/^keylane; hit; ttl=\d+$/);
  const stale = await ask(STALE);
  expect(stale.ids()).toEqual(idsOf(STALE));
  expect(stale.headers["cache-status"]).toMatch(/hit; ttl=-\d+; detail=refreshing$/);
  for (const answer of [passed, healthy, fresh, stale]) expectWithin(answer, 0);
}

function expectTimedOut(answer: Told) {
  expectWithin(answer, TIMEOUT_MS);
  expect([answer.status, answer.json().error.code]).toEqual([504, "upstream_timeout"]);
  expect(answer.retryAfterMs).toBeGreaterThanOrEqual(1000);
}

async function expectOld({ ask }: Storm) {
  const old = await ask(OLD);
  expect(old.ids()).toEqual(idsOf(OLD));
  // Not "upstream-failed": it came before the fetch had ended.
  expect(old.headers["cache-status"]).toMatch(/hit; ttl=-\d+; detail=refreshing$/);
  expectWithin(old, TIMEOUT_MS / 2);
}

// On a busy machine the one that comes later may come too late to be the first.
test("an upstream that hangs for 20 keys keeps no other from its list", { retry: 2 }, async () => {
  const { all, waiting } = await hangingStorm((key) => HANGING.includes(key));
  await expectUntouched(all);
  const cold = crowd(COLD.length, (index) => persevere(all.ask, COLD[index] ?? ""));
  // So that the places are free again before these have waited for too long.
  await sleep(400);
  await expectOld(all);
  expect(all.upstream.asked).toHaveLength(3 + 16);
  for (const answer of await waiting) expectTimedOut(answer);
  await cold;
  const others = all.upstream.asked.slice(3).filter(({ key }) => !HANGING.includes(key));
  // Though it came later: upstream knows this key. The refresh of the other one began with those that hang, and its time
  // may be over together with theirs.
  expect(others.find(({ key }) => key !== STALE)?.key).toBe(OLD);
});

test("an upstream that hangs for everyone leaves what is stored, and all is right once it answers", async () => {
  const { all, waiting } = await hangingStorm(() => true);
  await expectUntouched(all);
  const cold = crowd(COLD.length, (index) => all.ask(COLD[index]));
  await expectOld(all);
  await expectUntouched(all);
  expect(all.upstream.asked).toHaveLength(3 + 16);
  for (const answer of [...(await waiting), ...(await cold)]) expectTimedOut(answer);
  all.upstream.hang(() => false);
  await crowd(COLD.length, (index) => persevere(all.ask, COLD[index] ?? ""));
  await expect.poll(async () => (await all.ask(STALE)).headers["age"], SOON).toMatch(/^\d$/);
  for (const key of [FRESH, STALE, OLD, ...COLD]) expect(await all.held(key)).toEqual(idsOf(key));
});
