import { describe, expect, test } from "vitest";
import { ACCOUNTS, ALICE, scene, type Scene } from "../support/setup.ts";
import { errorOf, held, NEW, OLD, SOON, storedScene } from "../support/stale-setup.ts";

// Long enough that no timer of a flight runs out: what is overdue here is so by the clock alone.
const PATIENT = { LIST_TIMEOUT: "1m" };
const OVERDUE_MS = 61_000;
const REFUSED = { status: 401, code: "invalid_api_key" };
const DETAILED = { path: "/v1/models?detailed=true" };

/** Asks for Alice's list, and waits until the question lies upstream, unanswered and overdue. */
async function overdue(all: Scene) {
  const flight = all.nano.hold();
  const asked = all.list(ALICE);
  await flight.arrived;
  await all.keylane.advance(OVERDUE_MS);
  return { asked, release: () => flight.release() };
}

function restore({ nano }: Scene): void {
  for (const account of ACCOUNTS) nano.setAccount(account);
}

describe("an overdue flight that another one has replaced", () => {
  test("is not joined", async () => {
    const all = await scene(PATIENT);
    const first = await overdue(all);
    expect((await all.list(ALICE)).headers["cache-status"]).toBe("keylane; fwd=uri-miss; stored");
    first.release();
    expect((await first.asked).ids()).toEqual(OLD);
    expect(all.nano.lists()).toHaveLength(2);
  });

  test.each(["PURGE", "DELETE"])("cannot keep its list after %s", async (method) => {
    const all = await scene(PATIENT);
    const first = await overdue(all);
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
    expect((await all.list(ALICE, { method })).status).toBe(204);
    first.release();
    await first.asked;
    const answer = await all.list(ALICE, { headers: { "cache-control": "only-if-cached" } });
    expect(errorOf(answer)).toEqual({ status: 504, code: "not_cached" });
  });

  test("cannot keep its list after a purge while its successor is under way", async () => {
    const all = await scene(PATIENT);
    const first = await overdue(all);
    const second = all.nano.hold();
    const asked = all.list(ALICE);
    await second.arrived;
    await all.list(ALICE, { method: "PURGE" });
    first.release();
    second.release();
    await Promise.all([first.asked, asked]);
    expect(await held(all, ALICE)).toBeUndefined();
  });

  test("cannot put its list in the place of its successor's", async () => {
    const all = await scene(PATIENT);
    const first = await overdue(all);
    all.nano.hide(ALICE, "openai/gpt-4-turbo");
    expect((await all.list(ALICE)).ids()).toEqual(NEW);
    all.nano.show(ALICE, "openai/gpt-4-turbo");
    first.release();
    await first.asked;
    expect(await held(all, ALICE)).toEqual(NEW);
  });

  test("takes away the list that was stored before it, where upstream says 404 to it", async () => {
    const all = await storedScene(120_000, PATIENT);
    const refresh = all.nano.hold();
    all.nano.fail({ kind: "status", status: 404 }, { times: 1 });
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
    await refresh.arrived;
    await all.keylane.advance(OVERDUE_MS);
    const second = all.nano.hold();
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
    await second.arrived;
    refresh.release();
    await expect.poll(() => held(all, ALICE), SOON).toBeUndefined();
    second.release();
  });

  test("cannot keep or deliver its list after its successor's 401", async () => {
    const all = await scene(PATIENT);
    const first = await overdue(all);
    all.nano.revoke(ALICE);
    expect(errorOf(await all.list(ALICE))).toEqual(REFUSED);
    restore(all);
    first.release();
    expect(errorOf(await first.asked)).toEqual(REFUSED);
    expect(await held(all, ALICE)).toBeUndefined();
    expect(errorOf(await all.list(ALICE))).toEqual(REFUSED);
  });

  test("cannot keep its list after a later 401", async () => {
    const all = await scene(PATIENT);
    const first = await overdue(all);
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
    all.nano.revoke(ALICE);
    expect(errorOf(await all.list(ALICE, DETAILED))).toEqual(REFUSED);
    restore(all);
    first.release();
    await first.asked;
    expect(await held(all, ALICE)).toBeUndefined();
    expect(errorOf(await all.list(ALICE))).toEqual(REFUSED);
  });
});

describe("a purged list is nothing to fall back on, where another one was stored since", () => {
  test("and the refresh fails", async () => {
    const all = await storedScene(600_000);
    const refresh = all.nano.hold();
    all.nano.fail({ kind: "status", status: 500 }, { times: 1 });
    const asked = all.list(ALICE);
    await refresh.arrived;
    await all.list(ALICE, { method: "PURGE" });
    expect((await all.list(ALICE)).ids()).toEqual(NEW);
    refresh.release();
    expect((await asked).ids()).toEqual(NEW);
  });

  test("and the refresh is silent for longer than the caller waits", async () => {
    const all = await storedScene(600_000);
    const refresh = all.nano.hold();
    const asked = all.list(ALICE);
    await refresh.arrived;
    await all.list(ALICE, { method: "PURGE" });
    expect((await all.list(ALICE)).ids()).toEqual(NEW);
    expect((await asked).ids()).toEqual(NEW);
    refresh.release();
  });
});

describe("where no refusal is remembered (REFUSAL_MAX_AGE=0)", () => {
  test("a flight begun before a 401 delivers no list after it", async () => {
    const all = await scene({ REFUSAL_MAX_AGE: "0" });
    const flight = all.nano.hold();
    const asked = all.list(ALICE);
    await flight.arrived;
    all.nano.revoke(ALICE);
    expect(errorOf(await all.list(ALICE, DETAILED))).toEqual(REFUSED);
    restore(all);
    flight.release();
    expect(errorOf(await asked)).toEqual(REFUSED);
    expect(await held(all, ALICE)).toBeUndefined();
    // Upstream has taken the key back, and nothing is remembered against it.
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
  });

  test("nor does one that a purge has let go before that 401", async () => {
    const all = await scene({ LIST_TIMEOUT: "1m", REFUSAL_MAX_AGE: "0" });
    const flight = all.nano.hold();
    const asked = all.list(ALICE);
    await flight.arrived;
    await all.list(ALICE, { method: "PURGE" });
    all.nano.revoke(ALICE);
    expect(errorOf(await all.list(ALICE))).toEqual(REFUSED);
    restore(all);
    flight.release();
    expect(errorOf(await asked)).toEqual(REFUSED);
  });

  test.each(["another purge", "a 429"])("nor after that 401 and %s", async (then) => {
    const all = await scene({ LIST_TIMEOUT: "1m", REFUSAL_MAX_AGE: "0" });
    const flight = all.nano.hold();
    const asked = all.list(ALICE);
    await flight.arrived;
    await all.list(ALICE, { method: "PURGE" });
    all.nano.revoke(ALICE);
    expect(errorOf(await all.list(ALICE))).toEqual(REFUSED);
    restore(all);
    if (then === "a 429") all.nano.fail({ kind: "rate-limited" }, { times: 1 });
    const { status } = await all.list(ALICE, then === "a 429" ? {} : { method: "PURGE" });
    expect(status).toBe(then === "a 429" ? 429 : 204);
    flight.release();
    expect(errorOf(await asked)).toEqual(REFUSED);
  });
});
