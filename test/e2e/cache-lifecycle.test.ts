// A stored list is fresh, then stale, then only a fallback for errors, then expired; a 4xx from upstream deletes it.
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { expectedOutcome, outcomeOf, breakUpstream, fastSettings } from "../support/faults/drive.ts";
import { FAILURES } from "../support/faults/table.ts";
import { ACCOUNTS, ALICE, BOB, setup } from "../support/setup.ts";
import { errorOf, storedList, NEW, OLD, POLL, staleSetup } from "../support/stale-setup.ts";

const LIFETIMES = { MAX_AGE: "60s", STALE_WHILE_REVALIDATE: "60s", STALE_IF_ERROR: "10m" };
const FRESH_MS = 30_000;
const STALE_MS = 90_000;
const STALE_IF_ERROR_MS = 300_000;
const EXPIRED_MS = 661_000;
const NO_CACHE = { "cache-control": "no-cache" };

describe("a fresh list", () => {
  test("is served without a fetch", async () => {
    const { list, nano } = await staleSetup(FRESH_MS, LIFETIMES);
    const answer = await list(ALICE);
    expect(answer.ids()).toEqual(OLD);
    expect(answer.headers["cache-status"]).toMatch(/^keylane; hit; ttl=(30|29|28)$/);
    expect(Number(answer.headers["age"])).toBeGreaterThanOrEqual(30);
    expect(nano.lists()).toHaveLength(1);
  });
});

describe("a stale list, within STALE_WHILE_REVALIDATE", () => {
  test("is served at once while one refresh runs in the background", async () => {
    const all = await staleSetup(STALE_MS, LIFETIMES);
    const refresh = all.nano.hold();
    for (const answer of await Promise.all([all.list(ALICE), all.list(ALICE), all.list(ALICE)])) {
      expect(answer.ids()).toEqual(OLD);
      expect(answer.headers["cache-status"]).toMatch(/^keylane; hit; ttl=-3\d; detail=refreshing$/);
    }
    await refresh.arrived;
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
    refresh.release();
    await expect.poll(() => storedList(all, ALICE), POLL).toEqual(NEW);
    const answer = await all.list(ALICE);
    expect(answer.headers["cache-status"]).toMatch(/^keylane; hit; ttl=(60|59|58|57)$/);
    expect(all.nano.lists()).toHaveLength(2);
  });

  test("is kept when its refresh fails", async () => {
    const all = await staleSetup(STALE_MS, LIFETIMES);
    all.nano.fail({ kind: "status", status: 500 });
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
    const failed = /^keylane; hit; ttl=-3\d; detail=upstream-failed$/;
    await expect.poll(async () => (await all.list(ALICE)).headers["cache-status"], POLL).toMatch(failed);
    expect(all.nano.lists()).toHaveLength(2);
  });
});

describe("a stale list, past STALE_WHILE_REVALIDATE and within STALE_IF_ERROR", () => {
  test("is replaced by the new list when the refresh succeeds", async () => {
    const all = await staleSetup(STALE_IF_ERROR_MS, LIFETIMES);
    const answer = await all.list(ALICE);
    expect(answer.ids()).toEqual(NEW);
    expect(answer.headers["cache-status"]).toBe("keylane; fwd=stale; stored");
    expect(await storedList(all, ALICE)).toEqual(NEW);
  });

  test("keeps its age when refreshes fail", async () => {
    const all = await staleSetup(STALE_IF_ERROR_MS, LIFETIMES);
    all.nano.fail({ kind: "status", status: 500 });
    expect(Number((await all.list(ALICE)).headers["age"])).toBeGreaterThanOrEqual(STALE_IF_ERROR_MS / 1000);
    await all.keylane.advance(EXPIRED_MS - STALE_IF_ERROR_MS);
    expect((await all.list(ALICE)).status).toBe(502);
  });

  test("is served after half of LIST_TIMEOUT, and the fetch continues", async () => {
    const all = await staleSetup(STALE_IF_ERROR_MS, { ...LIFETIMES, LIST_TIMEOUT: "1200ms" });
    const refresh = all.nano.hold();
    const answer = await all.list(ALICE);
    expect(answer.ids()).toEqual(OLD);
    expect(answer.headers["cache-status"]).toContain("detail=refreshing");
    refresh.release();
    await expect.poll(() => storedList(all, ALICE), POLL).toEqual(NEW);
    expect(all.nano.lists()).toHaveLength(2);
  });
});

describe("an expired list", () => {
  test.each(FAILURES)("is not served when the fetch fails: NanoGPT $name", async (row) => {
    const all = await staleSetup(EXPIRED_MS, { ...LIFETIMES, ...fastSettings(row) });
    await breakUpstream(all, row);
    expect(outcomeOf(await all.list(ALICE))).toEqual(expectedOutcome(row, []));
    expect(await storedList(all, ALICE)).toBeUndefined();
  });
});

const DETAILED = "/v1/models?detailed=true";

const STATES = [
  { state: "fresh", ageMs: FRESH_MS, headers: NO_CACHE },
  { state: "stale, within STALE_WHILE_REVALIDATE", ageMs: STALE_MS, headers: {} },
  { state: "past STALE_WHILE_REVALIDATE", ageMs: STALE_IF_ERROR_MS, headers: {} },
  { state: "expired", ageMs: EXPIRED_MS, headers: {} },
];

describe("when upstream returns 401", () => {
  test.each(STATES)("all lists of that key are deleted: $state", async ({ ageMs, headers }) => {
    const all = await staleSetup(ageMs - 1000, LIFETIMES);
    const { list, nano, keylane } = all;
    await Promise.all([list(ALICE, { path: DETAILED }), list(BOB)]);
    await keylane.advance(1000);
    nano.revoke(ALICE);
    await expect.poll(async () => (await list(ALICE, { headers })).status, POLL).toBe(401);
    expect(errorOf(await list(ALICE))).toEqual({ status: 401, code: "invalid_api_key" });
    for (const account of ACCOUNTS) nano.setAccount(account);
    expect(await storedList(all, ALICE)).toBeUndefined();
    expect(await storedList(all, ALICE, { path: DETAILED })).toBeUndefined();
    expect(await storedList(all, BOB)).toEqual(["NousResearch/hermes-4-70b"]);
  });
});

describe("when upstream returns another 4xx", () => {
  test.each(STATES)("that list is deleted: $state", async ({ ageMs, headers }) => {
    const all = await staleSetup(ageMs, LIFETIMES);
    all.nano.fail({ kind: "status", status: 403 });
    await expect.poll(async () => (await all.list(ALICE, { headers })).status, POLL).toBe(403);
    expect(await storedList(all, ALICE)).toBeUndefined();
  });

  test.each([400, 402, 403, 404, 409, 410, 422, 451])(
    "the client gets that error, and other lists of the key stay: %i",
    async (status) => {
      const all = await staleSetup(STALE_IF_ERROR_MS, LIFETIMES);
      await all.list(ALICE, { path: DETAILED });
      all.nano.fail({ kind: "status", status, body: '{"error":{"message":"No.","code":"custom"}}' });
      expect(errorOf(await all.list(ALICE))).toEqual({ status, code: "custom" });
      expect(await storedList(all, ALICE)).toBeUndefined();
      expect(await storedList(all, ALICE, { path: DETAILED })).toEqual(NEW);
    },
  );
});

describe("the age of a list", () => {
  test("counts from when upstream answered, not from when the fetch began", async () => {
    const { list, nano, keylane } = await setup({ ...LIFETIMES, LIST_TIMEOUT: "10m" });
    const fetch = nano.hold();
    const answer = list(ALICE);
    await fetch.arrived;
    await keylane.advance(FRESH_MS);
    fetch.release();
    expect(Number((await answer).headers["age"])).toBeLessThan(5);
  });

  test("counts from when upstream answered, not from when the last byte arrived", async () => {
    const { list, nano, keylane } = await setup({ ...LIFETIMES, LIST_TIMEOUT: "10m" });
    nano.fail({ kind: "drip", bytes: 80, everyMs: 300 });
    const answer = list(ALICE);
    await expect.poll(() => nano.lists().length, POLL).toBe(1);
    await sleep(500);
    await keylane.advance(FRESH_MS);
    expect(Number((await answer).headers["age"])).toBeGreaterThanOrEqual(30);
  });

  test("is 0 when the clock steps back, never negative", async () => {
    const { list, nano } = await staleSetup(-3_600_000, LIFETIMES);
    const answer = await list(ALICE);
    expect(answer.headers["age"]).toBe("0");
    expect(answer.headers["cache-status"]).toBe("keylane; hit; ttl=60");
    expect(nano.lists()).toHaveLength(1);
  });
});
