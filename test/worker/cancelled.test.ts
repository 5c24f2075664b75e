// On Workers, the list fetch of a cancelled request goes on: its result is stored and serves later requests.
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { Fault } from "../support/nanogpt/nanogpt.ts";
import { ALICE, BOB } from "../support/setup.ts";
import { NEW, OLD, POLL } from "../support/stale-setup.ts";
import { startBoundWorker, idsOf, type KeyCall, type BoundWorker } from "../support/worker/bound.ts";

const SLOTS = 16;
const KEYS = Array.from({ length: 50 }, (_, index) => `sk-nano-test-many-${index}`);
const TOKENS = KEYS.map((_, index) => `e30.dG9rZW4${index}.c2ln`);
const accounts = [ALICE, ...KEYS].map((key) => ({ key, visible: [...OLD] }));

/** Makes calls and cancels them while upstream holds the `fetches` list requests they cause. */
async function callAndCancel(all: BoundWorker, calls: readonly KeyCall[], fetches = calls.length) {
  const before = all.nano.lists().length;
  const hold = all.nano.hold({ times: fetches });
  const cancellable = all.startCancellable(calls);
  await all.untilListRequests(before + fetches);
  await cancellable.cancel();
  // Time for the cancellation to reach Keylane through the binding.
  await sleep(50);
  return hold;
}

const aborted = ({ nano }: BoundWorker) => nano.lists().map((one) => one.aborted);

describe.concurrent("a request that is cancelled before upstream responds", () => {
  const requests: readonly { readonly kind: string; readonly request: KeyCall }[] = [
    { kind: "a list", request: {} },
    { kind: "a detailed list", request: { path: "/v1/models?detailed=true" } },
    { kind: "one model", request: { path: "/v1/models/openai%2Fgpt-4-turbo" } },
    { kind: "the headers of a list", request: { method: "HEAD" } },
    { kind: "a list with no-store", request: { headers: { "cache-control": "no-store" } } },
    { kind: "a list by x-api-key", request: { headers: { "x-api-key": ALICE } } },
  ];

  test.for(requests)("leaves its fetch and the result to later requests: $kind", async ({ request }, context) => {
    const all = await startBoundWorker(context);
    const call = { key: ALICE, ...request };
    const hold = await callAndCancel(all, [call]);
    const later = [all.call([call, call]), all.call([call])];
    await sleep(300);
    hold.release();
    const answers = (await Promise.all(later)).flat();
    expect(answers.map((answer) => answer?.status)).toEqual([200, 200, 200]);
    expect(answers[0]?.headers["cache-status"]).toMatch(/^keylane; fwd=[a-z-]+(; stored)?; collapsed$/);
    expect(aborted(all)).toEqual([false]);
  });

  test("leaves the list for a client that uses HTTP", async (context) => {
    const all = await startBoundWorker(context);
    const hold = await callAndCancel(all, [{ key: ALICE }]);
    const waiting = all.list(ALICE);
    await sleep(50);
    hold.release();
    expect(idsOf(await waiting)).toEqual(OLD);
    expect(idsOf(await all.list(ALICE, "Cache-Control: only-if-cached"))).toEqual(OLD);
    expect(aborted(all)).toEqual([false]);
  });

  test("leaves the remembered failure", async (context) => {
    const all = await startBoundWorker(context);
    all.nano.fail({ kind: "status", status: 503 });
    const hold = await callAndCancel(all, [{ key: ALICE }]);
    const waiting = all.list(ALICE);
    await sleep(50);
    hold.release();
    expect((await waiting).status).toBe(503);
    expect((await all.list(ALICE)).status).toBe(503);
    expect(aborted(all)).toEqual([false]);
  });
});

describe.concurrent("a request that is cancelled while the list arrives", () => {
  test("leaves the rest of the list to later requests", async (context) => {
    const all = await startBoundWorker(context);
    all.nano.fail({ kind: "drip", bytes: 8, everyMs: 40 });
    const cancellable = all.startCancellable([{ key: ALICE }, { key: ALICE }]);
    await all.untilListRequests(1);
    await sleep(100);
    await cancellable.cancel();
    expect(idsOf(await all.list(ALICE))).toEqual(OLD);
    expect(aborted(all)).toEqual([false]);
  });
});

describe.concurrent("requests that are cancelled at any moment", () => {
  test("neither hang nor affect the responses to others", async (context) => {
    const all = await startBoundWorker(context);
    all.nano.delay(150);
    const calls = Array.from({ length: 90 }, (_, index): KeyCall => {
      const call = { key: index % 2 === 0 ? ALICE : BOB };
      return index % 3 === 0 ? call : { ...call, abort: 3 * (index - 1) };
    });
    const answers = await all.call(calls);
    for (const [index, answer] of answers.entries()) {
      if (index % 3 === 0) expect({ index, status: answer?.status }).toEqual({ index, status: 200 });
      if (answer !== null) expect(idsOf(answer)).toEqual(index % 2 === 0 ? OLD : ["NousResearch/hermes-4-70b"]);
    }
    expect(answers.filter((answer) => answer === null).length).toBeGreaterThan(10);
    expect(aborted(all)).toEqual([false, false]);
  });
});

describe.concurrent("a request that is cancelled while upstream hangs", () => {
  const hangs: readonly Fault[] = [{ kind: "hang-before-headers" }, { kind: "hang-mid-body" }];

  test.for(hangs)(
    "leaves the timeout to later requests, and the next fetch succeeds: $kind",
    async (fault, context) => {
      const all = await startBoundWorker(context, { LIST_TIMEOUT: "2s", REFUSAL_MAX_AGE: "100ms" });
      all.nano.fail(fault, { times: 1 });
      const cancellable = all.startCancellable([{ key: ALICE }]);
      await all.untilListRequests(1);
      await cancellable.cancel();
      const [overHttp, [overBinding]] = await Promise.all([all.list(ALICE), all.call([{ key: ALICE }])]);
      expect([overHttp.status, overBinding?.status]).toEqual([504, 504]);
      await sleep(150);
      expect(idsOf(await all.list(ALICE))).toEqual(OLD);
      expect(all.nano.lists()).toHaveLength(2);
    },
  );
});

describe.concurrent("a refresh whose request is cancelled", () => {
  const LIFE = { MAX_AGE: "100ms", STALE_IF_ERROR: "1h" };

  test("stores the new list if it is a background refresh", async (context) => {
    const all = await startBoundWorker(context, { ...LIFE, STALE_WHILE_REVALIDATE: "1h" });
    await all.list(ALICE);
    all.nano.hide(ALICE, "openai/gpt-4-turbo");
    await sleep(150);
    const hold = all.nano.hold();
    await all.call([{ key: ALICE, abort: "at headers" }]);
    await hold.arrived;
    await sleep(50);
    hold.release();
    const stored = async () => idsOf(await all.list(ALICE, "Cache-Control: only-if-cached"));
    await context.expect.poll(stored, POLL).toEqual(NEW);
    expect(aborted(all)).toEqual([false, false]);
  });

  test("in the foreground is joined by later requests, for at most half of LIST_TIMEOUT", async (context) => {
    const all = await startBoundWorker(context, { ...LIFE, STALE_WHILE_REVALIDATE: "0s", LIST_TIMEOUT: "4s" });
    await all.list(ALICE);
    await sleep(150);
    const hold = await callAndCancel(all, [{ key: ALICE }]);
    const later = (await Promise.all([all.call([{ key: ALICE }]), all.call([{ key: ALICE }])])).flat();
    for (const answer of later) expect(answer?.headers["cache-status"]).toMatch(/; detail=refreshing$/);
    // The fetch is still pending.
    expect(aborted(all)).toEqual([false, false]);
    hold.release();
  });
});

describe.concurrent("requests that are cancelled while others wait for a slot", () => {
  const groups: readonly { readonly of: string; readonly credentials: readonly string[] }[] = [
    { of: "keys", credentials: KEYS },
    { of: "signed tokens", credentials: TOKENS },
    { of: "both", credentials: [...TOKENS.slice(0, 25), ...KEYS.slice(0, 25)] },
  ];

  test.for(groups)("release their slots once upstream responds: of $of", async ({ credentials }, context) => {
    const all = await startBoundWorker(context, { LIST_TIMEOUT: "8s" }, { accounts });
    const calls = credentials.map((key) => ({ key }));
    const hold = await callAndCancel(all, calls, SLOTS);
    const waiting = all.list(ALICE);
    await sleep(50);
    hold.release();
    expect(idsOf(await waiting)).toEqual(OLD);
    expect(all.nano.lists()).toHaveLength(calls.length + 1);
    expect(aborted(all)).not.toContain(true);
  });

  test.for(groups)("release their slots if upstream hangs: of $of", async ({ credentials }, context) => {
    const all = await startBoundWorker(context, { LIST_TIMEOUT: "3s" }, { accounts });
    await callAndCancel(
      all,
      credentials.map((key) => ({ key })),
      SLOTS,
    );
    await sleep(3100);
    expect(idsOf(await all.list(ALICE))).toEqual(OLD);
  });
});
