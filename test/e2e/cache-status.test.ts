import { describe, expect, test } from "vitest";
import { ALICE, BOB, scene, type Answer } from "../support/setup.ts";

const statusOf = ({ headers }: Answer) => headers["cache-status"];
const SETTINGS = { MAX_AGE: "60s", STALE_WHILE_REVALIDATE: "5m", STALE_IF_ERROR: "24h" };

describe("Cache-Status says", () => {
  test("fwd=uri-miss; stored for a first list, then hit with the freshness left", async () => {
    const { list, keylane } = await scene(SETTINGS);
    expect(statusOf(await list(ALICE))).toBe("keylane; fwd=uri-miss; stored");
    await keylane.advance(22_000);
    expect(statusOf(await list(ALICE))).toMatch(/^keylane; hit; ttl=3[78]$/);
    expect(statusOf(await list(BOB))).toBe("keylane; fwd=uri-miss; stored");
  });

  test("hit with a negative ttl and detail=refreshing where a stale list is served at once", async () => {
    const { list, keylane } = await scene(SETTINGS);
    await list(ALICE);
    await keylane.advance(72_000);
    expect(statusOf(await list(ALICE))).toMatch(/^keylane; hit; ttl=-1[23]; detail=refreshing$/);
  });

  test("fwd=stale; stored where the list was too old to be served unasked", async () => {
    const { list, keylane } = await scene(SETTINGS);
    await list(ALICE);
    await keylane.advance(361_000);
    expect(statusOf(await list(ALICE))).toBe("keylane; fwd=stale; stored");
  });

  test("detail=upstream-failed where a stale list stands in for a failure", async () => {
    const { list, keylane, nano } = await scene(SETTINGS);
    await list(ALICE);
    nano.fail({ kind: "status", status: 503 });
    await keylane.advance(361_000);
    const answer = await list(ALICE);
    expect(answer.status).toBe(200);
    expect(statusOf(answer)).toMatch(/^keylane; hit; ttl=-30[12]; detail=upstream-failed$/);
  });

  test("fwd=request where the caller asked past the stored list", async () => {
    const { list, keylane } = await scene(SETTINGS);
    await list(ALICE);
    await keylane.advance(2_000);
    const ask = async (value: string) => statusOf(await list(ALICE, { headers: { "cache-control": value } }));
    expect(await ask("no-cache")).toBe("keylane; fwd=request; stored");
    expect(await ask("no-store")).toBe("keylane; fwd=request");
    expect(await ask("only-if-cached")).toMatch(/^keylane; hit; ttl=\d+$/);
  });

  test("collapsed for callers who shared another's question", async () => {
    const { list, nano } = await scene(SETTINGS);
    const hold = nano.hold();
    const first = list(ALICE);
    await hold.arrived;
    const others = [list(ALICE), list(ALICE)];
    // Both have joined once a call that came after them is through.
    await list(BOB);
    hold.release();
    expect(statusOf(await first)).toBe("keylane; fwd=uri-miss; stored");
    for (const other of await Promise.all(others)) {
      expect(statusOf(other)).toBe("keylane; fwd=uri-miss; stored; collapsed");
    }
    expect(nano.lists(ALICE)).toHaveLength(1);
  });

  test("nothing on errors and on calls that pass through", async () => {
    const { call, list } = await scene(SETTINGS);
    expect(statusOf(await call("/v1/models"))).toBeUndefined();
    expect(statusOf(await list(ALICE, { path: "/v1/models/unknown" }))).toBeUndefined();
    expect(statusOf(await list(ALICE, { path: "/v1/echo" }))).toBeUndefined();
  });
});
