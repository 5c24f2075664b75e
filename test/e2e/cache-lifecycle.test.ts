import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { answered, breakUpstream, quick } from "../support/faults/drive.ts";
import { FAILURES } from "../support/faults/table.ts";
import { ACCOUNTS, ALICE, BOB, scene } from "../support/setup.ts";
import { errorOf, held, NEW, OLD, SOON, storedScene } from "../support/stale-setup.ts";

const LIFE = { MAX_AGE: "60s", STALE_WHILE_REVALIDATE: "60s", STALE_IF_ERROR: "10m" };
const FRESH = 30_000;
const STALE = 90_000;
const LATER = 300_000;
const OLDER = 661_000;
const NO_CACHE = { "cache-control": "no-cache" };

describe("a fresh list", () => {
  test("is served without a question to upstream", async () => {
    const { list, nano } = await storedScene(FRESH, LIFE);
    const answer = await list(ALICE);
    expect(answer.ids()).toEqual(OLD);
    expect(answer.headers["cache-status"]).toMatch(/^keylane; hit; ttl=(30|29|28)$/);
    expect(Number(answer.headers["age"])).toBeGreaterThanOrEqual(30);
    expect(nano.lists()).toHaveLength(1);
  });
});

describe("a stale list, within STALE_WHILE_REVALIDATE", () => {
  test("is served at once while one refresh runs in the background, then the new list", async () => {
    const all = await storedScene(STALE, LIFE);
    const refresh = all.nano.hold();
    for (const answer of await Promise.all([all.list(ALICE), all.list(ALICE), all.list(ALICE)])) {
      expect(answer.ids()).toEqual(OLD);
      expect(answer.headers["cache-status"]).toMatch(/^keylane; hit; ttl=-3\d; detail=refreshing$/);
    }
    await refresh.arrived;
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
    refresh.release();
    await expect.poll(() => held(all, ALICE), SOON).toEqual(NEW);
    const answer = await all.list(ALICE);
    expect(answer.headers["cache-status"]).toMatch(/^keylane; hit; ttl=(60|59|58|57)$/);
    expect(all.nano.lists()).toHaveLength(2);
  });

  test("is kept when its refresh fails", async () => {
    const all = await storedScene(STALE, LIFE);
    all.nano.fail({ kind: "status", status: 500 });
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
    const failed = /^keylane; hit; ttl=-3\d; detail=upstream-failed$/;
    await expect.poll(async () => (await all.list(ALICE)).headers["cache-status"], SOON).toMatch(failed);
    expect(all.nano.lists()).toHaveLength(2);
  });
});

describe("a stale list, later, within STALE_IF_ERROR", () => {
  test("gives way to the new list when the refresh answers", async () => {
    const all = await storedScene(LATER, LIFE);
    const answer = await all.list(ALICE);
    expect(answer.ids()).toEqual(NEW);
    expect(answer.headers["cache-status"]).toBe("keylane; fwd=stale; stored");
    expect(await held(all, ALICE)).toEqual(NEW);
  });

  test("keeps its age through failed refreshes", async () => {
    const all = await storedScene(LATER, LIFE);
    all.nano.fail({ kind: "status", status: 500 });
    expect(Number((await all.list(ALICE)).headers["age"])).toBeGreaterThanOrEqual(LATER / 1000);
    await all.keylane.advance(OLDER - LATER);
    expect((await all.list(ALICE)).status).toBe(502);
  });

  test("is waited for half of LIST_TIMEOUT at most, and the fetch goes on", async () => {
    const all = await storedScene(LATER, { ...LIFE, LIST_TIMEOUT: "1200ms" });
    const refresh = all.nano.hold();
    const answer = await all.list(ALICE);
    expect(answer.ids()).toEqual(OLD);
    expect(answer.headers["cache-status"]).toContain("detail=refreshing");
    refresh.release();
    await expect.poll(() => held(all, ALICE), SOON).toEqual(NEW);
    expect(all.nano.lists()).toHaveLength(2);
  });
});

describe("where the list is older, and the refresh fails", () => {
  test.each(FAILURES)("the error is the answer: NanoGPT $name", async (row) => {
    const all = await storedScene(OLDER, { ...LIFE, ...quick(row) });
    await breakUpstream(all, row);
    expect(answered(await all.list(ALICE))).toEqual(answered(row, []));
    expect(await held(all, ALICE)).toBeUndefined();
  });
});

const DETAILED = "/v1/models?detailed=true";

const STATES = [
  { state: "fresh", ageMs: FRESH, headers: NO_CACHE },
  { state: "stale, within STALE_WHILE_REVALIDATE", ageMs: STALE, headers: {} },
  { state: "stale, later, within STALE_IF_ERROR", ageMs: LATER, headers: {} },
  { state: "older", ageMs: OLDER, headers: {} },
];

describe("when upstream says 401", () => {
  test.each(STATES)("everything held for that key is deleted: $state", async ({ ageMs, headers }) => {
    const all = await storedScene(ageMs - 1000, LIFE);
    const { list, nano, keylane } = all;
    await Promise.all([list(ALICE, { path: DETAILED }), list(BOB)]);
    await keylane.advance(1000);
    nano.revoke(ALICE);
    await expect.poll(async () => (await list(ALICE, { headers })).status, SOON).toBe(401);
    expect(errorOf(await list(ALICE))).toEqual({ status: 401, code: "invalid_api_key" });
    for (const account of ACCOUNTS) nano.setAccount(account);
    expect(await held(all, ALICE)).toBeUndefined();
    expect(await held(all, ALICE, { path: DETAILED })).toBeUndefined();
    expect(await held(all, BOB)).toEqual(["NousResearch/hermes-4-70b"]);
  });
});

describe("when upstream says another 4xx", () => {
  test.each(STATES)("that list is deleted: $state", async ({ ageMs, headers }) => {
    const all = await storedScene(ageMs, LIFE);
    all.nano.fail({ kind: "status", status: 403 });
    await expect.poll(async () => (await all.list(ALICE, { headers })).status, SOON).toBe(403);
    expect(await held(all, ALICE)).toBeUndefined();
  });

  test.each([400, 402, 403, 404, 409, 410, 422, 451])(
    "that answer is given, others stay: %i",
    async (status) => {
      const all = await storedScene(LATER, LIFE);
      await all.list(ALICE, { path: DETAILED });
      all.nano.fail({ kind: "status", status, body: '{"error":{"message":"No.","code":"said"}}' });
      expect(errorOf(await all.list(ALICE))).toEqual({ status, code: "said" });
      expect(await held(all, ALICE)).toBeUndefined();
      expect(await held(all, ALICE, { path: DETAILED })).toEqual(NEW);
    },
  );
});

describe("the age of a list", () => {
  test("counts from when upstream answered, not from when it was asked", async () => {
    const { list, nano, keylane } = await scene({ ...LIFE, LIST_TIMEOUT: "10m" });
    const fetch = nano.hold();
    const asked = list(ALICE);
    await fetch.arrived;
    await keylane.advance(FRESH);
    fetch.release();
    expect(Number((await asked).headers["age"])).toBeLessThan(5);
  });

  test("counts from when upstream answered, not from when its last byte came", async () => {
    const { list, nano, keylane } = await scene({ ...LIFE, LIST_TIMEOUT: "10m" });
    nano.fail({ kind: "drip", bytes: 80, everyMs: 300 });
    const asked = list(ALICE);
    await expect.poll(() => nano.lists().length, SOON).toBe(1);
    await sleep(500);
    await keylane.advance(FRESH);
    expect(Number((await asked).headers["age"])).toBeGreaterThanOrEqual(30);
  });

  test("is 0 when the clock steps back, never negative", async () => {
    const { list, nano } = await storedScene(-3_600_000, LIFE);
    const answer = await list(ALICE);
    expect(answer.headers["age"]).toBe("0");
    expect(answer.headers["cache-status"]).toBe("keylane; hit; ttl=60");
    expect(nano.lists()).toHaveLength(1);
  });
});
