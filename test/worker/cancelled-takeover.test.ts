// On Workers, a fetch whose request was terminated is taken over by waiting requests, and its slot is released.
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test, type TestContext } from "vitest";
import { ALICE, BOB } from "../support/setup.ts";
import { NEW, OLD, POLL } from "../support/stale-setup.ts";
import { startBoundWorker, idsOf, type KeyCall, type BoundWorker } from "../support/worker/bound.ts";

// waitUntil keeps most fetches alive, but Cloudflare terminates a request that has used up its time or CPU.
const SLOTS = 16;
const KEYS = Array.from({ length: 50 }, (_, index) => `sk-nano-test-many-${index}`);
const TOKENS = KEYS.map((_, index) => `e30.dG9rZW4${index}.c2ln`);
const accounts = [ALICE, BOB, ...KEYS].map((key) => ({ key, visible: [...OLD] }));

function withoutWaitUntil(context: TestContext, settings: Record<string, string> = {}): Promise<BoundWorker> {
  return startBoundWorker(
    context,
    { LIST_TIMEOUT: "2s", REFUSAL_MAX_AGE: "100ms", ...settings },
    { accounts, hasWaitUntil: false },
  );
}

/** Makes calls and terminates their requests while upstream holds the `fetches` list requests they cause. */
async function callAndTerminate(all: BoundWorker, calls: readonly KeyCall[], fetches = calls.length): Promise<void> {
  const before = all.nano.lists().length;
  all.nano.hold({ times: fetches });
  const cancellable = all.startCancellable(calls);
  await all.untilListRequests(before + fetches);
  await cancellable.cancel();
  const listRequests = all.nano.lists().slice(before);
  await Promise.all(listRequests.map(({ closed }) => closed));
  expect(listRequests.map(({ aborted }) => aborted)).toEqual(calls.slice(0, fetches).map(() => true));
}

describe.concurrent("an in-flight fetch whose request was terminated", () => {
  test.for<{ kind: string; request: KeyCall }>([
    { kind: "a list", request: {} },
    { kind: "a list with no-store", request: { headers: { "cache-control": "no-store" } } },
  ])("is taken over by the requests that wait for it, with one upstream call: $kind", async ({ request }, context) => {
    const all = await withoutWaitUntil(context);
    const call = { key: ALICE, ...request };
    await callAndTerminate(all, [call]);
    // Requests that start late have time left when the terminated fetch is overdue.
    await sleep(1000);
    const answers = (await Promise.all([all.call([call, call]), all.call([call])])).flat();
    expect(answers.map((answer) => answer?.status)).toEqual([200, 200, 200]);
    expect(answers.map((answer) => answer && idsOf(answer))).toEqual([OLD, OLD, OLD]);
    expect(all.nano.lists()).toHaveLength(2);
  });

  test("does not delay requests that start when it is overdue", async (context) => {
    const all = await withoutWaitUntil(context);
    await callAndTerminate(all, [{ key: ALICE }]);
    await sleep(2400);
    expect(idsOf(await all.list(ALICE))).toEqual(OLD);
    expect(all.nano.lists()).toHaveLength(2);
  });

  test("does not extend the deadline of waiting requests if upstream hangs", async (context) => {
    const all = await withoutWaitUntil(context);
    await callAndTerminate(all, [{ key: ALICE }]);
    all.nano.fail({ kind: "hang-before-headers" });
    const answers = (await Promise.all([all.call([{ key: ALICE }]), all.call([{ key: ALICE }])])).flat();
    expect(answers.map((answer) => answer?.status)).toEqual([504, 504]);
    expect(answers.map((answer) => answer?.headers["retry-after"])).toEqual(["1", "1"]);
    all.nano.fail(undefined);
    const next = async () => idsOf(await all.list(ALICE));
    await context.expect.poll(next, POLL).toEqual(OLD);
  });

  test("is taken over again if the request that took over is terminated too", async (context) => {
    const all = await withoutWaitUntil(context);
    await callAndTerminate(all, [{ key: ALICE }]);
    await sleep(1200);
    all.nano.hold();
    const second = all.startCancellable([{ key: ALICE }]);
    await all.untilListRequests(2);
    await second.cancel();
    await sleep(1000);
    expect(idsOf(await all.list(ALICE))).toEqual(OLD);
    expect(all.nano.lists()).toHaveLength(3);
  });

  test("does not affect other keys", async (context) => {
    const all = await withoutWaitUntil(context, { LIST_TIMEOUT: "10s" });
    await callAndTerminate(all, [{ key: ALICE }]);
    expect(idsOf(await all.list(BOB))).toEqual(OLD);
    expect(all.nano.lists()).toHaveLength(2);
  });
});

describe.concurrent("a refresh whose request was terminated", () => {
  const LIFE = { MAX_AGE: "100ms", STALE_IF_ERROR: "1h" };

  test("is started again once it is overdue if it is a background refresh", async (context) => {
    const all = await withoutWaitUntil(context, { ...LIFE, STALE_WHILE_REVALIDATE: "1h" });
    await all.list(ALICE);
    all.nano.hide(ALICE, "openai/gpt-4-turbo");
    await sleep(150);
    // The refresh is terminated with the response to its client, perhaps before it has reached upstream.
    all.nano.fail({ kind: "hang-before-headers" });
    expect(idsOf(await all.list(ALICE))).toEqual(OLD);
    const [during] = await all.call([{ key: ALICE }]);
    expect(during?.headers["cache-status"]).toMatch(/; detail=refreshing$/);
    await sleep(2400);
    all.nano.fail(undefined);
    expect(all.nano.lists().length).toBeLessThanOrEqual(2);
    await all.list(ALICE, "X-Wait-Until: 1");
    const stored = async () => idsOf(await all.list(ALICE, "Cache-Control: only-if-cached"));
    await context.expect.poll(stored, POLL).toEqual(NEW);
  });

  test("does not keep other requests from the stored list for longer than half of LIST_TIMEOUT", async (context) => {
    const all = await withoutWaitUntil(context, { ...LIFE, STALE_WHILE_REVALIDATE: "0s", LIST_TIMEOUT: "3s" });
    await all.list(ALICE);
    await sleep(150);
    await callAndTerminate(all, [{ key: ALICE }]);
    const answers = (await Promise.all([all.call([{ key: ALICE }]), all.call([{ key: ALICE }])])).flat();
    for (const answer of answers) {
      expect(answer?.headers["cache-status"]).toMatch(/^keylane; hit; ttl=-\d+; detail=refreshing$/);
      expect(answer && idsOf(answer)).toEqual(OLD);
    }
    // They waited for the terminated fetch for half of LIST_TIMEOUT, not until it was overdue.
    expect(all.nano.lists()).toHaveLength(2);
  });
});

describe.concurrent("requests that were terminated while they had a slot or waited for one", () => {
  test.for([
    { of: "keys", credentials: KEYS },
    { of: "signed tokens", credentials: TOKENS },
  ])("block other requests for no longer than LIST_TIMEOUT: of $of", async ({ credentials }, context) => {
    const all = await withoutWaitUntil(context);
    await callAndTerminate(
      all,
      credentials.map((key) => ({ key })),
      SLOTS,
    );
    await sleep(2100);
    expect(idsOf(await all.list(ALICE))).toEqual(OLD);
    expect(idsOf(await all.list(BOB))).toEqual(OLD);
  });
});
