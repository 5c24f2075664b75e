// An overdue or detached fetch can neither store nor deliver its list after a purge, a 401 or a newer fetch.
import { describe, expect, test } from "vitest";
import { ACCOUNTS, ALICE, setup, type Setup } from "../support/setup.ts";
import { errorOf, storedList, NEW, OLD, POLL, staleSetup } from "../support/stale-setup.ts";

// Long enough that no fetch timer expires: a fetch becomes overdue by the moved clock only.
const LONG_TIMEOUT = { LIST_TIMEOUT: "1m" };
const OVERDUE_MS = 61_000;
const UNAUTHORIZED = { status: 401, code: "invalid_api_key" };
const DETAILED = { path: "/v1/models?detailed=true" };

/** Requests Alice's list and waits until its fetch is open at upstream and overdue. */
async function startOverdue(all: Setup) {
  const fetching = all.nano.hold();
  const pending = all.list(ALICE);
  await fetching.arrived;
  await all.keylane.advance(OVERDUE_MS);
  return { pending, release: () => fetching.release() };
}

function restore({ nano }: Setup): void {
  for (const account of ACCOUNTS) nano.setAccount(account);
}

describe("an overdue fetch that a newer one has superseded", () => {
  test("is not joined", async () => {
    const all = await setup(LONG_TIMEOUT);
    const first = await startOverdue(all);
    expect((await all.list(ALICE)).headers["cache-status"]).toBe("keylane; fwd=uri-miss; stored");
    first.release();
    expect((await first.pending).ids()).toEqual(OLD);
    expect(all.nano.lists()).toHaveLength(2);
  });

  test.each(["PURGE", "DELETE"])("cannot store its list after %s", async (method) => {
    const all = await setup(LONG_TIMEOUT);
    const first = await startOverdue(all);
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
    expect((await all.list(ALICE, { method })).status).toBe(204);
    first.release();
    await first.pending;
    const answer = await all.list(ALICE, { headers: { "cache-control": "only-if-cached" } });
    expect(errorOf(answer)).toEqual({ status: 504, code: "not_cached" });
  });

  test("cannot store its list after a purge while its successor is in flight", async () => {
    const all = await setup(LONG_TIMEOUT);
    const first = await startOverdue(all);
    const second = all.nano.hold();
    const pending = all.list(ALICE);
    await second.arrived;
    await all.list(ALICE, { method: "PURGE" });
    first.release();
    second.release();
    await Promise.all([first.pending, pending]);
    expect(await storedList(all, ALICE)).toBeUndefined();
  });

  test("cannot replace its successor's list", async () => {
    const all = await setup(LONG_TIMEOUT);
    const first = await startOverdue(all);
    all.nano.hide(ALICE, "openai/gpt-4-turbo");
    expect((await all.list(ALICE)).ids()).toEqual(NEW);
    all.nano.show(ALICE, "openai/gpt-4-turbo");
    first.release();
    await first.pending;
    expect(await storedList(all, ALICE)).toEqual(NEW);
  });

  test("deletes the list that was stored before it, where it gets a 404", async () => {
    const all = await staleSetup(120_000, LONG_TIMEOUT);
    const refresh = all.nano.hold();
    all.nano.fail({ kind: "status", status: 404 }, { times: 1 });
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
    await refresh.arrived;
    await all.keylane.advance(OVERDUE_MS);
    const second = all.nano.hold();
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
    await second.arrived;
    refresh.release();
    await expect.poll(() => storedList(all, ALICE), POLL).toBeUndefined();
    second.release();
  });

  test("cannot store or deliver its list after its successor's 401", async () => {
    const all = await setup(LONG_TIMEOUT);
    const first = await startOverdue(all);
    all.nano.revoke(ALICE);
    expect(errorOf(await all.list(ALICE))).toEqual(UNAUTHORIZED);
    restore(all);
    first.release();
    expect(errorOf(await first.pending)).toEqual(UNAUTHORIZED);
    expect(await storedList(all, ALICE)).toBeUndefined();
    expect(errorOf(await all.list(ALICE))).toEqual(UNAUTHORIZED);
  });

  test("cannot store its list after a later 401", async () => {
    const all = await setup(LONG_TIMEOUT);
    const first = await startOverdue(all);
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
    all.nano.revoke(ALICE);
    expect(errorOf(await all.list(ALICE, DETAILED))).toEqual(UNAUTHORIZED);
    restore(all);
    first.release();
    await first.pending;
    expect(await storedList(all, ALICE)).toBeUndefined();
    expect(errorOf(await all.list(ALICE))).toEqual(UNAUTHORIZED);
  });
});

describe("a purged list is not a fallback once a newer list is stored", () => {
  test("where the refresh fails", async () => {
    const all = await staleSetup(600_000);
    const refresh = all.nano.hold();
    all.nano.fail({ kind: "status", status: 500 }, { times: 1 });
    const pending = all.list(ALICE);
    await refresh.arrived;
    await all.list(ALICE, { method: "PURGE" });
    expect((await all.list(ALICE)).ids()).toEqual(NEW);
    refresh.release();
    expect((await pending).ids()).toEqual(NEW);
  });

  test("where the refresh takes longer than the client waits", async () => {
    const all = await staleSetup(600_000);
    const refresh = all.nano.hold();
    const pending = all.list(ALICE);
    await refresh.arrived;
    await all.list(ALICE, { method: "PURGE" });
    expect((await all.list(ALICE)).ids()).toEqual(NEW);
    expect((await pending).ids()).toEqual(NEW);
    refresh.release();
  });
});

describe("without a negative cache (REFUSAL_MAX_AGE=0)", () => {
  test("a fetch that began before a 401 delivers no list after it", async () => {
    const all = await setup({ REFUSAL_MAX_AGE: "0" });
    const fetching = all.nano.hold();
    const pending = all.list(ALICE);
    await fetching.arrived;
    all.nano.revoke(ALICE);
    expect(errorOf(await all.list(ALICE, DETAILED))).toEqual(UNAUTHORIZED);
    restore(all);
    fetching.release();
    expect(errorOf(await pending)).toEqual(UNAUTHORIZED);
    expect(await storedList(all, ALICE)).toBeUndefined();
    // Upstream accepts the key again, and there is no negative entry.
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
  });

  test("nor does a fetch that a purge detached before that 401", async () => {
    const all = await setup({ LIST_TIMEOUT: "1m", REFUSAL_MAX_AGE: "0" });
    const fetching = all.nano.hold();
    const pending = all.list(ALICE);
    await fetching.arrived;
    await all.list(ALICE, { method: "PURGE" });
    all.nano.revoke(ALICE);
    expect(errorOf(await all.list(ALICE))).toEqual(UNAUTHORIZED);
    restore(all);
    fetching.release();
    expect(errorOf(await pending)).toEqual(UNAUTHORIZED);
  });

  test.each(["another purge", "a 429"])("nor after that 401 and %s", async (then) => {
    const all = await setup({ LIST_TIMEOUT: "1m", REFUSAL_MAX_AGE: "0" });
    const fetching = all.nano.hold();
    const pending = all.list(ALICE);
    await fetching.arrived;
    await all.list(ALICE, { method: "PURGE" });
    all.nano.revoke(ALICE);
    expect(errorOf(await all.list(ALICE))).toEqual(UNAUTHORIZED);
    restore(all);
    if (then === "a 429") all.nano.fail({ kind: "rate-limited" }, { times: 1 });
    const { status } = await all.list(ALICE, then === "a 429" ? {} : { method: "PURGE" });
    expect(status).toBe(then === "a 429" ? 429 : 204);
    fetching.release();
    expect(errorOf(await pending)).toEqual(UNAUTHORIZED);
  });
});
