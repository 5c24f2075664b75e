import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { Fault } from "../support/nanogpt/nanogpt.ts";
import { ALICE, BOB } from "../support/setup.ts";
import { NEW, OLD, POLL } from "../support/stale-setup.ts";
import { boundWorker, idsOf, type Ask, type Bound } from "../support/worker/bound.ts";

const MOST = 16;
const KEYS = Array.from({ length: 50 }, (_, index) => `sk-nano-test-crowd-${index}`);
const TOKENS = KEYS.map((_, index) => `e30.dG9rZW4${index}.c2ln`);
const accounts = [ALICE, ...KEYS].map((key) => ({ key, visible: [...OLD] }));

/** Makes so many calls that upstream holds, and cancels them; gives the way to let upstream answer. */
async function cancelled(all: Bound, calls: readonly Ask[], arrived = calls.length) {
  const before = all.nano.lists().length;
  const flight = all.nano.hold({ times: arrived });
  const callers = all.leaving(calls);
  await all.asked(before + arrived);
  await callers.leave();
  // Time for the news to reach Keylane's side of the binding.
  await sleep(50);
  return flight;
}

const aborted = ({ nano }: Bound) => nano.lists().map((one) => one.aborted);

describe.concurrent("a client who is cancelled before upstream answers", () => {
  const questions: readonly { readonly question: string; readonly ask: Ask }[] = [
    { question: "a list", ask: {} },
    { question: "a detailed list", ask: { path: "/v1/models?detailed=true" } },
    { question: "one model", ask: { path: "/v1/models/openai%2Fgpt-4-turbo" } },
    { question: "the head of a list", ask: { method: "HEAD" } },
    { question: "a list not to be stored", ask: { headers: { "cache-control": "no-store" } } },
    { question: "a list by x-api-key", ask: { headers: { "x-api-key": ALICE } } },
  ];

  test.for(questions)("leaves the call and its outcome to later ones: $question", async ({ ask: asked }, context) => {
    const all = await boundWorker(context);
    const ask = { key: ALICE, ...asked };
    const flight = await cancelled(all, [ask]);
    const later = [all.ask([ask, ask]), all.ask([ask])];
    await sleep(300);
    flight.release();
    const answers = (await Promise.all(later)).flat();
    expect(answers.map((answer) => answer?.status)).toEqual([200, 200, 200]);
    expect(answers[0]?.headers["cache-status"]).toMatch(/^keylane; fwd=[a-z-]+(; stored)?; collapsed$/);
    expect(aborted(all)).toEqual([false]);
  });

  test("leaves the list behind for a client over HTTP", async (context) => {
    const all = await boundWorker(context);
    const flight = await cancelled(all, [{ key: ALICE }]);
    const waits = all.list(ALICE);
    await sleep(50);
    flight.release();
    expect(idsOf(await waits)).toEqual(OLD);
    expect(idsOf(await all.list(ALICE, "Cache-Control: only-if-cached"))).toEqual(OLD);
    expect(aborted(all)).toEqual([false]);
  });

  test("leaves the refusal behind", async (context) => {
    const all = await boundWorker(context);
    all.nano.fail({ kind: "status", status: 503 });
    const flight = await cancelled(all, [{ key: ALICE }]);
    const waits = all.list(ALICE);
    await sleep(50);
    flight.release();
    expect((await waits).status).toBe(503);
    expect((await all.list(ALICE)).status).toBe(503);
    expect(aborted(all)).toEqual([false]);
  });
});

describe.concurrent("a client who is cancelled while the list comes", () => {
  test("leaves the rest of it to later ones", async (context) => {
    const all = await boundWorker(context);
    all.nano.fail({ kind: "drip", bytes: 8, everyMs: 40 });
    const callers = all.leaving([{ key: ALICE }, { key: ALICE }]);
    await all.asked(1);
    await sleep(100);
    await callers.leave();
    expect(idsOf(await all.list(ALICE))).toEqual(OLD);
    expect(aborted(all)).toEqual([false]);
  });
});

describe.concurrent("clients who are cancelled at any moment", () => {
  test("neither hang nor change what the others get", async (context) => {
    const all = await boundWorker(context);
    all.nano.delay(150);
    const calls = Array.from({ length: 90 }, (_, index): Ask => {
      const call = { key: index % 2 === 0 ? ALICE : BOB };
      return index % 3 === 0 ? call : { ...call, leave: 3 * (index - 1) };
    });
    const answers = await all.ask(calls);
    for (const [index, answer] of answers.entries()) {
      if (index % 3 === 0) expect({ index, status: answer?.status }).toEqual({ index, status: 200 });
      if (answer !== null) expect(idsOf(answer)).toEqual(index % 2 === 0 ? OLD : ["NousResearch/hermes-4-70b"]);
    }
    expect(answers.filter((answer) => answer === null).length).toBeGreaterThan(10);
    expect(aborted(all)).toEqual([false, false]);
  });
});

describe.concurrent("a client who is cancelled while upstream is silent", () => {
  const silences: readonly Fault[] = [{ kind: "hang-before-headers" }, { kind: "hang-mid-body" }];

  test.for(silences)("leaves the timeout to later ones, and the next try is good: $kind", async (fault, context) => {
    const all = await boundWorker(context, { LIST_TIMEOUT: "2s", REFUSAL_MAX_AGE: "100ms" });
    all.nano.fail(fault, { times: 1 });
    const callers = all.leaving([{ key: ALICE }]);
    await all.asked(1);
    await callers.leave();
    const [over, answer] = await Promise.all([all.list(ALICE), all.ask([{ key: ALICE }])]);
    expect([over.status, answer[0]?.status]).toEqual([504, 504]);
    await sleep(150);
    expect(idsOf(await all.list(ALICE))).toEqual(OLD);
    expect(all.nano.lists()).toHaveLength(2);
  });
});

describe.concurrent("a refresh whose client is cancelled", () => {
  const LIFE = { MAX_AGE: "100ms", STALE_IF_ERROR: "1h" };

  test("in the background still brings the new list", async (context) => {
    const all = await boundWorker(context, { ...LIFE, STALE_WHILE_REVALIDATE: "1h" });
    await all.list(ALICE);
    all.nano.hide(ALICE, "openai/gpt-4-turbo");
    await sleep(150);
    const flight = all.nano.hold();
    await all.ask([{ key: ALICE, leave: "at headers" }]);
    await flight.arrived;
    await sleep(50);
    flight.release();
    const stored = async () => idsOf(await all.list(ALICE, "Cache-Control: only-if-cached"));
    await context.expect.poll(stored, POLL).toEqual(NEW);
    expect(aborted(all)).toEqual([false, false]);
  });

  test("in the foreground leaves it to later ones, who wait half of LIST_TIMEOUT at most", async (context) => {
    const all = await boundWorker(context, { ...LIFE, STALE_WHILE_REVALIDATE: "0s", LIST_TIMEOUT: "4s" });
    await all.list(ALICE);
    await sleep(150);
    const flight = await cancelled(all, [{ key: ALICE }]);
    const later = (await Promise.all([all.ask([{ key: ALICE }]), all.ask([{ key: ALICE }])])).flat();
    for (const answer of later) expect(answer?.headers["cache-status"]).toMatch(/; detail=refreshing$/);
    // Half of it: the flight is still up.
    expect(aborted(all)).toEqual([false, false]);
    flight.release();
  });
});

describe.concurrent("clients who are cancelled while others wait for a place", () => {
  const crowds: readonly { readonly of: string; readonly credentials: readonly string[] }[] = [
    { of: "keys", credentials: KEYS },
    { of: "signed tokens", credentials: TOKENS },
    { of: "both", credentials: [...TOKENS.slice(0, 25), ...KEYS.slice(0, 25)] },
  ];

  test.for(crowds)("give their places back once upstream answers: of $of", async ({ credentials }, context) => {
    const all = await boundWorker(context, { LIST_TIMEOUT: "8s" }, { accounts });
    const calls = credentials.map((key) => ({ key }));
    const flight = await cancelled(all, calls, MOST);
    const waits = all.list(ALICE);
    await sleep(50);
    flight.release();
    expect(idsOf(await waits)).toEqual(OLD);
    expect(all.nano.lists()).toHaveLength(calls.length + 1);
    expect(aborted(all)).not.toContain(true);
  });

  test.for(crowds)("give their places back when upstream stays silent: of $of", async ({ credentials }, context) => {
    const all = await boundWorker(context, { LIST_TIMEOUT: "3s" }, { accounts });
    await cancelled(
      all,
      credentials.map((key) => ({ key })),
      MOST,
    );
    await sleep(3100);
    expect(idsOf(await all.list(ALICE))).toEqual(OLD);
  });
});
