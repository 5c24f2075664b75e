import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { ALICE, scene, type Scene } from "../support/setup.ts";
import { errorOf, held, NEW, OLD, SOON, storedScene } from "../support/stale-setup.ts";

const LIFE = { MAX_AGE: "60s", STALE_WHILE_REVALIDATE: "60s", STALE_IF_ERROR: "10m" };
const FRESH = 30_000;
const STALE = 90_000;
const LATER = 300_000;

const asking = ({ list }: Scene, directive: string) =>
  list(ALICE, { headers: { "cache-control": directive } });

describe.each(["no-cache", "max-age=0", "No-Cache", "no-cache, max-age=0", "foo=bar , no-cache"])(
  "Cache-Control: %s",
  (directive) => {
    test.each([FRESH, STALE, LATER])("asks upstream now: list of %i ms", async (ageMs) => {
      const all = await storedScene(ageMs, LIFE);
      const answer = await asking(all, directive);
      expect(answer.ids()).toEqual(NEW);
      expect(answer.headers["cache-status"]).toBe("keylane; fwd=request; stored");
      expect(answer.headers["age"]).toBe("0");
      expect(await held(all, ALICE)).toEqual(NEW);
    });

    test("asks at most once a second", async () => {
      const all = await storedScene(FRESH, LIFE);
      for (let times = 0; times < 5; times++) expect((await asking(all, directive)).ids()).toEqual(NEW);
      expect(all.nano.lists()).toHaveLength(2);
      await all.keylane.advance(1000);
      await asking(all, directive);
      expect(all.nano.lists()).toHaveLength(3);
    });

    test("gets the stored list when upstream fails", async () => {
      const all = await storedScene(FRESH, LIFE);
      all.nano.fail({ kind: "status", status: 500 });
      const answer = await asking(all, directive);
      expect(answer.ids()).toEqual(OLD);
      expect(answer.headers["cache-status"]).toMatch(/^keylane; hit; ttl=\d+; detail=upstream-failed$/);
    });
  },
);

describe("Cache-Control: no-cache", () => {
  test("shares a refresh in flight", async () => {
    const all = await storedScene(STALE, LIFE);
    const refresh = all.nano.hold();
    await all.list(ALICE);
    await refresh.arrived;
    const answers = Array.from({ length: 5 }, () => asking(all, "no-cache"));
    const plain = await all.list(ALICE);
    expect(plain.headers["cache-status"]).toContain("detail=refreshing");
    refresh.release();
    for (const answer of await Promise.all(answers)) {
      expect(answer.ids()).toEqual(NEW);
      expect(answer.headers["cache-status"]).toBe("keylane; fwd=request; stored; collapsed");
    }
    expect(all.nano.lists()).toHaveLength(2);
  });

  test("is a miss where nothing is stored", async () => {
    const answer = await asking(await scene(), "no-cache");
    expect(answer.headers["cache-status"]).toBe("keylane; fwd=uri-miss; stored");
  });
});

describe("Cache-Control: max-age=N", () => {
  test.each([
    { directive: "max-age=40", ageMs: FRESH },
    { directive: 'max-age="40"', ageMs: FRESH },
    { directive: "max-age=99999999999999999999", ageMs: FRESH },
    { directive: "max-age=abc", ageMs: FRESH },
    { directive: "max-age", ageMs: FRESH },
  ])("is content with a list that is not older: $directive", async ({ directive, ageMs }) => {
    const all = await storedScene(ageMs, LIFE);
    const answer = await asking(all, directive);
    expect(answer.ids()).toEqual(OLD);
    expect(answer.headers["cache-status"]).toMatch(/^keylane; hit; ttl=(30|29|28)$/);
    expect(all.nano.lists()).toHaveLength(1);
  });

  test.each([
    { directive: "max-age=20", ageMs: FRESH },
    { directive: "max-age=1", ageMs: FRESH },
    { directive: "max-age=80", ageMs: STALE },
  ])("asks where the list is older: $directive", async ({ directive, ageMs }) => {
    const all = await storedScene(ageMs, LIFE);
    const answer = await asking(all, directive);
    expect(answer.ids()).toEqual(NEW);
    expect(answer.headers["cache-status"]).toBe("keylane; fwd=request; stored");
  });

  test("does not lengthen freshness", async () => {
    const all = await storedScene(STALE, LIFE);
    expect((await asking(all, "max-age=3600")).headers["cache-status"]).toContain("detail=refreshing");
    await expect.poll(() => held(all, ALICE), SOON).toEqual(NEW);
  });
});

describe("Cache-Control: only-if-cached", () => {
  test.each([FRESH, STALE, LATER])("gets the stored list without a question: %i ms", async (ageMs) => {
    const all = await storedScene(ageMs, LIFE);
    const answer = await asking(all, "only-if-cached");
    expect(answer.ids()).toEqual(OLD);
    expect(answer.headers["cache-status"]).toMatch(/^keylane; hit; ttl=-?\d+$/);
    await sleep(100);
    expect(all.nano.lists()).toHaveLength(1);
  });

  test.each([
    { where: "nothing is stored", make: () => scene() },
    { where: "the list is older than all it may be served for", make: () => storedScene(700_000, LIFE) },
  ])("is 504 where $where", async ({ make }) => {
    const all = await make();
    const asked = all.nano.lists().length;
    expect(errorOf(await asking(all, "only-if-cached"))).toEqual({ status: 504, code: "not_cached" });
    expect(all.nano.lists()).toHaveLength(asked);
  });
});

describe("Cache-Control: no-store", () => {
  test("is forwarded, and not stored", async () => {
    const all = await scene(LIFE);
    const answer = await asking(all, "no-store");
    expect(answer.ids()).toEqual(OLD);
    expect(answer.headers["cache-status"]).toBe("keylane; fwd=request");
    expect(await held(all, ALICE)).toBeUndefined();
    expect((await all.list(ALICE)).headers["cache-status"]).toBe("keylane; fwd=uri-miss; stored");
  });

  test("leaves a stored list as it is", async () => {
    const all = await storedScene(FRESH, LIFE);
    expect((await asking(all, "no-store")).ids()).toEqual(NEW);
    expect(await held(all, ALICE)).toEqual(OLD);
    expect(all.nano.lists()).toHaveLength(2);
  });

  test("does not keep the list from a caller who lets it be stored", async () => {
    const all = await scene(LIFE);
    const flights = all.nano.hold({ times: 2 });
    const answers = [asking(all, "no-store"), all.list(ALICE)];
    await flights.arrived;
    flights.release();
    for (const answer of await Promise.all(answers)) expect(answer.ids()).toEqual(OLD);
    expect(await held(all, ALICE)).toEqual(OLD);
  });

  test("does not lift a remembered refusal", async () => {
    const all = await scene();
    all.nano.fail({ kind: "status", status: 500 });
    await all.list(ALICE);
    expect((await asking(all, "no-store")).status).toBe(502);
    expect(all.nano.lists()).toHaveLength(1);
  });
});
