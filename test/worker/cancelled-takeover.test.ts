import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test, type TestContext } from "vitest";
import { ALICE, BOB } from "../support/setup.ts";
import { NEW, OLD, POLL } from "../support/stale-setup.ts";
import { boundWorker, idsOf, type Ask, type Bound } from "../support/worker/bound.ts";

// The second line of defence: waitUntil keeps most, but a request that is out of time or CPU dies all the same.
const MOST = 16;
const CROWD = Array.from({ length: 50 }, (_, index) => `sk-nano-test-crowd-${index}`);
const TOKENS = CROWD.map((_, index) => `e30.dG9rZW4${index}.c2ln`);
const accounts = [ALICE, BOB, ...CROWD].map((key) => ({ key, visible: [...OLD] }));

function mortal(context: TestContext, settings: Record<string, string> = {}): Promise<Bound> {
  return boundWorker(
    context,
    { LIST_TIMEOUT: "2s", REFUSAL_MAX_AGE: "100ms", ...settings },
    { accounts, isMortal: true },
  );
}

/** Makes calls that upstream holds, and lets their requests die. */
async function died({ nano, leaving, asked }: Bound, calls: readonly Ask[], arrived = calls.length): Promise<void> {
  const before = nano.lists().length;
  nano.hold({ times: arrived });
  const callers = leaving(calls);
  await asked(before + arrived);
  await callers.leave();
  await Promise.all(
    nano
      .lists()
      .slice(before)
      .map(({ closed }) => closed),
  );
  expect(
    nano
      .lists()
      .slice(before)
      .map(({ aborted }) => aborted),
  ).toEqual(calls.slice(0, arrived).map(() => true));
}

describe.concurrent("a flight whose request died", () => {
  test.for<{ question: string; ask: Ask }>([
    { question: "a list", ask: {} },
    { question: "a list not to be stored", ask: { headers: { "cache-control": "no-store" } } },
  ])("is taken over by those who wait for it, in one call: $question", async ({ ask: asked }, context) => {
    const all = await mortal(context);
    const ask = { key: ALICE, ...asked };
    await died(all, [ask]);
    // Those who come late have time of their own when the dead one is overdue.
    await sleep(1000);
    const answers = (await Promise.all([all.ask([ask, ask]), all.ask([ask])])).flat();
    expect(answers.map((answer) => answer?.status)).toEqual([200, 200, 200]);
    expect(answers.map((answer) => answer && idsOf(answer))).toEqual([OLD, OLD, OLD]);
    expect(all.nano.lists()).toHaveLength(2);
  });

  test("is no obstacle to those who come when it is overdue", async (context) => {
    const all = await mortal(context);
    await died(all, [{ key: ALICE }]);
    await sleep(2400);
    expect(idsOf(await all.list(ALICE))).toEqual(OLD);
    expect(all.nano.lists()).toHaveLength(2);
  });

  test("leaves its followers their own deadline where upstream stays silent", async (context) => {
    const all = await mortal(context);
    await died(all, [{ key: ALICE }]);
    all.nano.fail({ kind: "hang-before-headers" });
    const answers = (await Promise.all([all.ask([{ key: ALICE }]), all.ask([{ key: ALICE }])])).flat();
    expect(answers.map((answer) => answer?.status)).toEqual([504, 504]);
    expect(answers.map((answer) => answer?.headers["retry-after"])).toEqual(["1", "1"]);
    all.nano.fail(undefined);
    const next = async () => idsOf(await all.list(ALICE));
    await context.expect.poll(next, POLL).toEqual(OLD);
  });

  test("died in its turn with the one that took over: the next takes over again", async (context) => {
    const all = await mortal(context);
    await died(all, [{ key: ALICE }]);
    await sleep(1200);
    all.nano.hold();
    const second = all.leaving([{ key: ALICE }]);
    await all.asked(2);
    await second.leave();
    await sleep(1000);
    expect(idsOf(await all.list(ALICE))).toEqual(OLD);
    expect(all.nano.lists()).toHaveLength(3);
  });

  test("does not affect other keys", async (context) => {
    const all = await mortal(context, { LIST_TIMEOUT: "10s" });
    await died(all, [{ key: ALICE }]);
    expect(idsOf(await all.list(BOB))).toEqual(OLD);
    expect(all.nano.lists()).toHaveLength(2);
  });
});

describe.concurrent("a refresh whose request died", () => {
  const LIFE = { MAX_AGE: "100ms", STALE_IF_ERROR: "1h" };

  test("in the background is made again once it is overdue", async (context) => {
    const all = await mortal(context, { ...LIFE, STALE_WHILE_REVALIDATE: "1h" });
    await all.list(ALICE);
    all.nano.hide(ALICE, "openai/gpt-4-turbo");
    await sleep(150);
    // It dies as soon as its client has its answer, perhaps before it has reached upstream.
    all.nano.fail({ kind: "hang-before-headers" });
    expect(idsOf(await all.list(ALICE))).toEqual(OLD);
    const [waits] = await all.ask([{ key: ALICE }]);
    expect(waits?.headers["cache-status"]).toMatch(/; detail=refreshing$/);
    await sleep(2400);
    all.nano.fail(undefined);
    expect(all.nano.lists().length).toBeLessThanOrEqual(2);
    await all.list(ALICE, "X-Kept: 1");
    const stored = async () => idsOf(await all.list(ALICE, "Cache-Control: only-if-cached"));
    await context.expect.poll(stored, POLL).toEqual(NEW);
  });

  test("lets the others have the stored list after half of LIST_TIMEOUT, by their own clock", async (context) => {
    const all = await mortal(context, { ...LIFE, STALE_WHILE_REVALIDATE: "0s", LIST_TIMEOUT: "3s" });
    await all.list(ALICE);
    await sleep(150);
    await died(all, [{ key: ALICE }]);
    const answers = (await Promise.all([all.ask([{ key: ALICE }]), all.ask([{ key: ALICE }])])).flat();
    for (const answer of answers) {
      expect(answer?.headers["cache-status"]).toMatch(/^keylane; hit; ttl=-\d+; detail=refreshing$/);
      expect(answer && idsOf(answer)).toEqual(OLD);
    }
    // They waited for the dead fetch for half of LIST_TIMEOUT, and not until it was overdue.
    expect(all.nano.lists()).toHaveLength(2);
  });
});

describe.concurrent("requests that died with a place or in wait for one", () => {
  test.for([
    { of: "keys", credentials: CROWD },
    { of: "signed tokens", credentials: TOKENS },
  ])("do not keep the others from it for longer than LIST_TIMEOUT: of $of", async ({ credentials }, context) => {
    const all = await mortal(context);
    await died(
      all,
      credentials.map((key) => ({ key })),
      MOST,
    );
    await sleep(2100);
    expect(idsOf(await all.list(ALICE))).toEqual(OLD);
    expect(idsOf(await all.list(BOB))).toEqual(OLD);
  });
});
