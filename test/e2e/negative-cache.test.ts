// A failed list fetch is remembered per key for REFUSAL_MAX_AGE or Retry-After, and never affects another key.
import { describe, expect, test } from "vitest";
import { ALICE, BOB, setup, type Setup } from "../support/setup.ts";
import { errorOf, storedList, OLD, staleSetup } from "../support/stale-setup.ts";

const DETAILED = "/v1/models?detailed=true";

/** Ways for one key's list fetches to fail. */
const FAILURES: { failure: string; status: number; breakUpstream: (all: Setup) => void | Promise<void> }[] = [
  { failure: "401", status: 401, breakUpstream: ({ nano }) => nano.revoke(ALICE) },
  ...[403, 404, 408].map((status) => ({ failure: String(status), status, breakUpstream: failing(status) })),
  { failure: "429", status: 429, breakUpstream: ({ nano }) => nano.fail({ kind: "rate-limited" }, { key: ALICE }) },
  { failure: "500", status: 502, breakUpstream: failing(500) },
  { failure: "503", status: 503, breakUpstream: failing(503) },
  { failure: "unreachable", status: 502, breakUpstream: ({ nano }) => nano.pause() },
];

function failing(status: number): ({ nano }: Setup) => void {
  return ({ nano }) => nano.fail({ kind: "status", status }, { key: ALICE });
}

async function repair({ nano }: Setup, failure: string): Promise<void> {
  if (failure === "unreachable") await nano.resume();
  nano.fail(undefined);
  nano.setAccount({ key: ALICE, visible: OLD });
}

describe("a failed list fetch", () => {
  test.each(FAILURES)("is remembered for REFUSAL_MAX_AGE: $failure", async ({ failure, status, breakUpstream }) => {
    const all = await setup();
    const { list, nano, keylane } = all;
    await breakUpstream(all);
    const first = await list(ALICE);
    expect(first.status).toBe(status);
    await repair(all, failure);
    const count = nano.lists(ALICE).length;

    await keylane.advance(4000);
    const second = await list(ALICE, { headers: { "cache-control": "no-cache" } });
    expect([second.status, second.text]).toEqual([status, first.text]);
    expect(nano.lists(ALICE)).toHaveLength(count);

    await keylane.advance(1100);
    expect((await list(ALICE)).ids()).toEqual(OLD);
    expect(nano.lists(ALICE)).toHaveLength(count + 1);
  });

  test.each(FAILURES)("does not affect another key: $failure", async ({ failure, breakUpstream }) => {
    const all = await setup();
    await breakUpstream(all);
    await all.list(ALICE);
    if (failure === "unreachable") await all.nano.resume();
    expect((await all.list(BOB)).ids()).toEqual(["NousResearch/hermes-4-70b"]);
    expect(all.nano.lists(BOB)).toHaveLength(1);
  });

  test.each(FAILURES.filter(({ status }) => status === 401 || status === 429))(
    "that concerns the key applies to all its lists: $failure",
    async ({ breakUpstream, status }) => {
      const all = await setup();
      await breakUpstream(all);
      await all.list(ALICE);
      for (const path of [DETAILED, "/paid/v1/models", "/v1/models/openai/gpt-4-turbo"]) {
        expect((await all.list(ALICE, { path })).status).toBe(status);
      }
      expect(all.nano.lists(ALICE)).toHaveLength(1);
    },
  );

  test("causes no refresh of a stale list", async () => {
    const { list, nano } = await staleSetup(600_000);
    nano.fail({ kind: "status", status: 500 });
    for (let times = 0; times < 3; times++) {
      const answer = await list(ALICE);
      expect(answer.ids()).toEqual(OLD);
      expect(answer.headers["cache-status"]).toContain("detail=upstream-failed");
    }
    expect(nano.lists()).toHaveLength(2);
  });

  test("is not remembered longer because the clock steps back", async () => {
    const { list, nano, keylane } = await setup();
    nano.fail({ kind: "status", status: 500 }, { times: 1 });
    await list(ALICE);
    await keylane.advance(-3_600_000);
    await keylane.advance(6000);
    expect((await list(ALICE)).status).toBe(200);
  });

  test("is remembered for as long as REFUSAL_MAX_AGE says", async () => {
    const { list, nano, keylane } = await setup({ REFUSAL_MAX_AGE: "20s" });
    nano.fail({ kind: "status", status: 500 }, { times: 1 });
    await list(ALICE);
    await keylane.advance(18_000);
    expect((await list(ALICE)).status).toBe(502);
    await keylane.advance(2500);
    expect((await list(ALICE)).status).toBe(200);
  });
});

describe("upstream's Retry-After", () => {
  test.each([
    { value: "30", failsAtMs: 28_000, recoversAtMs: 31_000 },
    { value: "2", failsAtMs: 4000, recoversAtMs: 5500 },
    { value: "3600", failsAtMs: 58_000, recoversAtMs: 61_000 },
    { value: "99999999999999999999", failsAtMs: 58_000, recoversAtMs: 61_000 },
    { value: "soon", failsAtMs: 4000, recoversAtMs: 5500 },
    { value: "-7", failsAtMs: 4000, recoversAtMs: 5500 },
    { value: new Date(Date.now() + 40_000).toUTCString(), failsAtMs: 20_000, recoversAtMs: 41_000 },
  ])(
    "extends the time a failure is remembered, up to one minute: $value",
    async ({ value, failsAtMs, recoversAtMs }) => {
      const { list, nano, keylane } = await setup();
      nano.fail({ kind: "status", status: 429, headers: { "retry-after": value } }, { times: 1 });
      expect((await list(ALICE)).status).toBe(429);
      await keylane.advance(failsAtMs);
      expect((await list(ALICE)).status).toBe(429);
      expect(nano.lists()).toHaveLength(1);
      await keylane.advance(recoversAtMs - failsAtMs);
      expect((await list(ALICE)).status).toBe(200);
    },
  );

  test.each([429, 500, 503])("counts down for clients: %i", async (status) => {
    const { list, nano, keylane } = await setup();
    nano.fail({ kind: "status", status, headers: { "retry-after": "30" } });
    expect((await list(ALICE)).headers["retry-after"]).toBe("30");
    await keylane.advance(20_000);
    expect((await list(ALICE)).headers["retry-after"]).toMatch(/^(10|9|8)$/);
  });

  test("is sent in full where it is longer than the failure is remembered", async () => {
    const { list, nano } = await setup();
    nano.fail({ kind: "rate-limited", retryAfter: 3600 });
    expect((await list(ALICE)).headers["retry-after"]).toBe("3600");
  });

  test.each(["status", "rate-limited", "pause", "html"])(
    "is the time the failure is still remembered where upstream sends none: %s",
    async (kind) => {
      const { list, nano, keylane } = await setup();
      if (kind === "pause") await nano.pause();
      else if (kind === "status") nano.fail({ kind, status: 500 });
      else nano.fail({ kind: kind === "html" ? kind : "rate-limited" });
      expect((await list(ALICE)).headers["retry-after"]).toBe("5");
      await keylane.advance(3000);
      expect((await list(ALICE)).headers["retry-after"]).toMatch(/^[12]$/);
    },
  );
});

describe("a key", () => {
  test("that has reached its daily limit gets its stored list, else 429", async () => {
    const all = await setup({}, [{ key: ALICE, visible: OLD, dailyLimit: 1 }]);
    expect((await all.list(ALICE)).status).toBe(200);
    await all.keylane.advance(600_000);
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
    const answer = await all.list(ALICE, { path: DETAILED });
    expect(errorOf(answer)).toEqual({ status: 429, code: "daily_rpd_limit_exceeded" });
    expect(answer.headers["retry-after"]).toMatch(/^\d+$/);
    expect(all.nano.lists()).toHaveLength(2);
    expect(await storedList(all, ALICE)).toEqual(OLD);
  });

  test("that is wrong costs upstream one call, and many wrong keys do not affect valid ones", async () => {
    const { list, nano } = await setup();
    const wrong = Array.from({ length: 40 }, (_, index) => `sk-nano-test-wrong-${index}`);
    for (const key of [...wrong, ...wrong]) {
      expect(errorOf(await list(key))).toEqual({ status: 401, code: "invalid_api_key" });
    }
    expect(nano.lists()).toHaveLength(wrong.length);
    expect((await list(ALICE)).ids()).toEqual(OLD);
  });
});
