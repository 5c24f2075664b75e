// A client's Cache-Control directives decide whether a list comes from the store or from upstream (RFC 9111 §5.2.1).
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { ALICE, setup, type Setup } from "../support/setup.ts";
import { errorOf, storedList, NEW, OLD, POLL, staleSetup } from "../support/stale-setup.ts";

const LIFETIMES = { MAX_AGE: "60s", STALE_WHILE_REVALIDATE: "60s", STALE_IF_ERROR: "10m" };
const FRESH_MS = 30_000;
const STALE_MS = 90_000;
const AGES_MS = [FRESH_MS, STALE_MS, 300_000];

const listWith = ({ list }: Setup, directive: string) => list(ALICE, { headers: { "cache-control": directive } });

describe.each(["no-cache", "max-age=0", "No-Cache", "no-cache, max-age=0", "foo=bar , no-cache"])(
  "Cache-Control: %s",
  (directive) => {
    test.each(AGES_MS)("refetches a list that is %i ms old", async (ageMs) => {
      const all = await staleSetup(ageMs, LIFETIMES);
      const answer = await listWith(all, directive);
      expect(answer.ids()).toEqual(NEW);
      expect(answer.headers["cache-status"]).toBe("keylane; fwd=request; stored");
      expect(answer.headers["age"]).toBe("0");
      expect(await storedList(all, ALICE)).toEqual(NEW);
    });

    test("causes at most one fetch per second", async () => {
      const all = await staleSetup(FRESH_MS, LIFETIMES);
      for (let i = 0; i < 5; i++) expect((await listWith(all, directive)).ids()).toEqual(NEW);
      expect(all.nano.lists()).toHaveLength(2);
      await all.keylane.advance(1000);
      await listWith(all, directive);
      expect(all.nano.lists()).toHaveLength(3);
    });

    test("falls back to the stored list when upstream fails", async () => {
      const all = await staleSetup(FRESH_MS, LIFETIMES);
      all.nano.fail({ kind: "status", status: 500 });
      const answer = await listWith(all, directive);
      expect(answer.ids()).toEqual(OLD);
      expect(answer.headers["cache-status"]).toMatch(/^keylane; hit; ttl=\d+; detail=upstream-failed$/);
    });
  },
);

describe("Cache-Control: no-cache", () => {
  test("joins a refresh in flight", async () => {
    const all = await staleSetup(STALE_MS, LIFETIMES);
    const refresh = all.nano.hold();
    await all.list(ALICE);
    await refresh.arrived;
    const answers = Array.from({ length: 5 }, () => listWith(all, "no-cache"));
    const plain = await all.list(ALICE);
    expect(plain.headers["cache-status"]).toContain("detail=refreshing");
    refresh.release();
    for (const answer of await Promise.all(answers)) {
      expect(answer.ids()).toEqual(NEW);
      expect(answer.headers["cache-status"]).toBe("keylane; fwd=request; stored; collapsed");
    }
    expect(all.nano.lists()).toHaveLength(2);
  });

  test("is a miss when nothing is stored", async () => {
    const answer = await listWith(await setup(), "no-cache");
    expect(answer.headers["cache-status"]).toBe("keylane; fwd=uri-miss; stored");
  });
});

describe("Cache-Control: max-age=N", () => {
  test.each(["max-age=40", 'max-age="40"', "max-age=99999999999999999999", "max-age=abc", "max-age"])(
    "serves a list that is no older, and ignores an invalid N: %s",
    async (directive) => {
      const all = await staleSetup(FRESH_MS, LIFETIMES);
      const answer = await listWith(all, directive);
      expect(answer.ids()).toEqual(OLD);
      expect(answer.headers["cache-status"]).toMatch(/^keylane; hit; ttl=(30|29|28)$/);
      expect(all.nano.lists()).toHaveLength(1);
    },
  );

  test.each([
    { directive: "max-age=20", ageMs: FRESH_MS },
    { directive: "max-age=1", ageMs: FRESH_MS },
    { directive: "max-age=80", ageMs: STALE_MS },
  ])("fetches when the list is older: $directive", async ({ directive, ageMs }) => {
    const all = await staleSetup(ageMs, LIFETIMES);
    const answer = await listWith(all, directive);
    expect(answer.ids()).toEqual(NEW);
    expect(answer.headers["cache-status"]).toBe("keylane; fwd=request; stored");
  });

  test("does not extend freshness", async () => {
    const all = await staleSetup(STALE_MS, LIFETIMES);
    expect((await listWith(all, "max-age=3600")).headers["cache-status"]).toContain("detail=refreshing");
    await expect.poll(() => storedList(all, ALICE), POLL).toEqual(NEW);
  });
});

describe("Cache-Control: only-if-cached", () => {
  test.each(AGES_MS)("serves the stored list without a fetch: %i ms old", async (ageMs) => {
    const all = await staleSetup(ageMs, LIFETIMES);
    const answer = await listWith(all, "only-if-cached");
    expect(answer.ids()).toEqual(OLD);
    expect(answer.headers["cache-status"]).toMatch(/^keylane; hit; ttl=-?\d+$/);
    await sleep(100);
    expect(all.nano.lists()).toHaveLength(1);
  });

  test.each([
    { state: "nothing is stored", start: () => setup() },
    { state: "the list has expired", start: () => staleSetup(700_000, LIFETIMES) },
  ])("is 504 when $state", async ({ start }) => {
    const all = await start();
    const fetches = all.nano.lists().length;
    expect(errorOf(await listWith(all, "only-if-cached"))).toEqual({ status: 504, code: "not_cached" });
    expect(all.nano.lists()).toHaveLength(fetches);
  });
});

describe("Cache-Control: no-store", () => {
  test("is forwarded, and not stored", async () => {
    const all = await setup(LIFETIMES);
    const answer = await listWith(all, "no-store");
    expect(answer.ids()).toEqual(OLD);
    expect(answer.headers["cache-status"]).toBe("keylane; fwd=request");
    expect(await storedList(all, ALICE)).toBeUndefined();
    expect((await all.list(ALICE)).headers["cache-status"]).toBe("keylane; fwd=uri-miss; stored");
  });

  test("leaves a stored list unchanged", async () => {
    const all = await staleSetup(FRESH_MS, LIFETIMES);
    expect((await listWith(all, "no-store")).ids()).toEqual(NEW);
    expect(await storedList(all, ALICE)).toEqual(OLD);
    expect(all.nano.lists()).toHaveLength(2);
  });

  test("does not stop a concurrent request from storing the list", async () => {
    const all = await setup(LIFETIMES);
    const fetches = all.nano.hold({ times: 2 });
    const answers = [listWith(all, "no-store"), all.list(ALICE)];
    await fetches.arrived;
    fetches.release();
    for (const answer of await Promise.all(answers)) expect(answer.ids()).toEqual(OLD);
    expect(await storedList(all, ALICE)).toEqual(OLD);
  });

  test("does not bypass a remembered failure", async () => {
    const all = await setup();
    all.nano.fail({ kind: "status", status: 500 });
    await all.list(ALICE);
    expect((await listWith(all, "no-store")).status).toBe(502);
    expect(all.nano.lists()).toHaveLength(1);
  });
});
