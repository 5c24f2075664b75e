import { describe, expect, test } from "vitest";
import { ALICE, BOB, scene, type Scene } from "../support/setup.ts";
import { errorOf, held, OLD, storedScene } from "../support/stale-setup.ts";

const DETAILED = "/v1/models?detailed=true";

/** Ways for one key's list fetches to fail, until mended. */
const REFUSALS: { failure: string; status: number; begin: (scene: Scene) => void | Promise<void> }[] = [
  { failure: "401", status: 401, begin: ({ nano }) => nano.revoke(ALICE) },
  ...[403, 404, 408].map((status) => ({ failure: String(status), status, begin: failing(status) })),
  { failure: "429", status: 429, begin: ({ nano }) => nano.fail({ kind: "rate-limited" }, { key: ALICE }) },
  { failure: "500", status: 502, begin: failing(500) },
  { failure: "503", status: 503, begin: failing(503) },
  { failure: "unreachable", status: 502, begin: ({ nano }) => nano.pause() },
];

function failing(status: number): ({ nano }: Scene) => void {
  return ({ nano }) => nano.fail({ kind: "status", status }, { key: ALICE });
}

async function mend({ nano }: Scene, failure: string): Promise<void> {
  if (failure === "unreachable") await nano.resume();
  nano.fail(undefined);
  nano.setAccount({ key: ALICE, visible: OLD });
}

describe("a failed answer", () => {
  test.each(REFUSALS)("is remembered for REFUSAL_MAX_AGE: $failure", async ({ failure, status, begin }) => {
    const all = await scene();
    const { list, nano, keylane } = all;
    await begin(all);
    const first = await list(ALICE);
    expect(first.status).toBe(status);
    await mend(all, failure);
    const asked = nano.lists(ALICE).length;

    await keylane.advance(4000);
    const second = await list(ALICE, { headers: { "cache-control": "no-cache" } });
    expect([second.status, second.text]).toEqual([status, first.text]);
    expect(nano.lists(ALICE)).toHaveLength(asked);

    await keylane.advance(1100);
    expect((await list(ALICE)).ids()).toEqual(OLD);
    expect(nano.lists(ALICE)).toHaveLength(asked + 1);
  });

  test.each(REFUSALS)("is nothing to another key: $failure", async ({ failure, begin }) => {
    const all = await scene();
    await begin(all);
    await all.list(ALICE);
    if (failure === "unreachable") await all.nano.resume();
    expect((await all.list(BOB)).ids()).toEqual(["NousResearch/hermes-4-70b"]);
    expect(all.nano.lists(BOB)).toHaveLength(1);
  });

  test.each(REFUSALS.filter(({ status }) => status === 401 || status === 429))(
    "of the key itself holds for all its lists: $failure",
    async ({ begin, status }) => {
      const all = await scene();
      await begin(all);
      await all.list(ALICE);
      for (const path of [DETAILED, "/paid/v1/models", "/v1/models/openai/gpt-4-turbo"]) {
        expect((await all.list(ALICE, { path })).status).toBe(status);
      }
      expect(all.nano.lists(ALICE)).toHaveLength(1);
    },
  );

  test("causes no refresh of a stale list", async () => {
    const { list, nano } = await storedScene(600_000);
    nano.fail({ kind: "status", status: 500 });
    for (let times = 0; times < 3; times++) {
      const answer = await list(ALICE);
      expect(answer.ids()).toEqual(OLD);
      expect(answer.headers["cache-status"]).toContain("detail=upstream-failed");
    }
    expect(nano.lists()).toHaveLength(2);
  });

  test("is not remembered longer because the clock steps back", async () => {
    const { list, nano, keylane } = await scene();
    nano.fail({ kind: "status", status: 500 }, { times: 1 });
    await list(ALICE);
    await keylane.advance(-3_600_000);
    await keylane.advance(6000);
    expect((await list(ALICE)).status).toBe(200);
  });

  test("is remembered as long as the operator says", async () => {
    const { list, nano, keylane } = await scene({ REFUSAL_MAX_AGE: "20s" });
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
    { said: "30", refusedAt: 28_000, askedAt: 31_000 },
    { said: "2", refusedAt: 4000, askedAt: 5500 },
    { said: "3600", refusedAt: 58_000, askedAt: 61_000 },
    { said: "99999999999999999999", refusedAt: 58_000, askedAt: 61_000 },
    { said: "soon", refusedAt: 4000, askedAt: 5500 },
    { said: "-7", refusedAt: 4000, askedAt: 5500 },
    { said: new Date(Date.now() + 40_000).toUTCString(), refusedAt: 20_000, askedAt: 41_000 },
  ])("lengthens the refusal, to one minute at most: $said", async ({ said, refusedAt, askedAt }) => {
    const { list, nano, keylane } = await scene();
    nano.fail({ kind: "status", status: 429, headers: { "retry-after": said } }, { times: 1 });
    expect((await list(ALICE)).status).toBe(429);
    await keylane.advance(refusedAt);
    expect((await list(ALICE)).status).toBe(429);
    expect(nano.lists()).toHaveLength(1);
    await keylane.advance(askedAt - refusedAt);
    expect((await list(ALICE)).status).toBe(200);
  });

  test.each([429, 500, 503])("counts down for callers: %i", async (status) => {
    const { list, nano, keylane } = await scene();
    nano.fail({ kind: "status", status, headers: { "retry-after": "30" } });
    expect((await list(ALICE)).headers["retry-after"]).toBe("30");
    await keylane.advance(20_000);
    expect((await list(ALICE)).headers["retry-after"]).toMatch(/^(10|9|8)$/);
  });

  test("is told in full where it is longer than the refusal", async () => {
    const { list, nano } = await scene();
    nano.fail({ kind: "rate-limited", retryAfter: 3600 });
    expect((await list(ALICE)).headers["retry-after"]).toBe("3600");
  });

  test.each(["status", "rate-limited", "pause", "html"])(
    "is what is left of the refusal where upstream says none: %s",
    async (kind) => {
      const { list, nano, keylane } = await scene();
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
  test("that has used up its day gets its stored list, else 429", async () => {
    const all = await scene({}, [{ key: ALICE, visible: OLD, dailyLimit: 1 }]);
    expect((await all.list(ALICE)).status).toBe(200);
    await all.keylane.advance(600_000);
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
    const answer = await all.list(ALICE, { path: DETAILED });
    expect(errorOf(answer)).toEqual({ status: 429, code: "daily_rpd_limit_exceeded" });
    expect(answer.headers["retry-after"]).toMatch(/^\d+$/);
    expect(all.nano.lists()).toHaveLength(2);
    expect(await held(all, ALICE)).toEqual(OLD);
  });

  test("that is wrong costs upstream one call, and good keys nothing, however many there are", async () => {
    const { list, nano } = await scene();
    const wrong = Array.from({ length: 40 }, (_, index) => `sk-nano-test-wrong-${index}`);
    for (const key of [...wrong, ...wrong]) {
      expect(errorOf(await list(key))).toEqual({ status: 401, code: "invalid_api_key" });
    }
    expect(nano.lists()).toHaveLength(wrong.length);
    expect((await list(ALICE)).ids()).toEqual(OLD);
  });
});
