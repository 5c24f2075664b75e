// Cache-Status says of each list response whether it was a hit or forwarded, and why (RFC 9211).
import { describe, expect, test } from "vitest";
import { ALICE, BOB, setup, type Answer } from "../support/setup.ts";

const cacheStatusOf = ({ headers }: Answer) => headers["cache-status"];
const SETTINGS = { MAX_AGE: "60s", STALE_WHILE_REVALIDATE: "5m", STALE_IF_ERROR: "24h" };

describe("Cache-Status is", () => {
  test("fwd=uri-miss; stored for a first list, then hit with the freshness left", async () => {
    const { list, keylane } = await setup(SETTINGS);
    expect(cacheStatusOf(await list(ALICE))).toBe("keylane; fwd=uri-miss; stored");
    await keylane.advance(22_000);
    expect(cacheStatusOf(await list(ALICE))).toMatch(/^keylane; hit; ttl=3[78]$/);
    expect(cacheStatusOf(await list(BOB))).toBe("keylane; fwd=uri-miss; stored");
  });

  test("hit with a negative ttl and detail=refreshing when a stale list is served at once", async () => {
    const { list, keylane } = await setup(SETTINGS);
    await list(ALICE);
    await keylane.advance(72_000);
    expect(cacheStatusOf(await list(ALICE))).toMatch(/^keylane; hit; ttl=-1[23]; detail=refreshing$/);
  });

  test("fwd=stale; stored when the list was past STALE_WHILE_REVALIDATE", async () => {
    const { list, keylane } = await setup(SETTINGS);
    await list(ALICE);
    await keylane.advance(361_000);
    expect(cacheStatusOf(await list(ALICE))).toBe("keylane; fwd=stale; stored");
  });

  test("hit with detail=upstream-failed when a stale list is served instead of an error", async () => {
    const { list, keylane, nano } = await setup(SETTINGS);
    await list(ALICE);
    nano.fail({ kind: "status", status: 503 });
    await keylane.advance(361_000);
    const answer = await list(ALICE);
    expect(answer.status).toBe(200);
    expect(cacheStatusOf(answer)).toMatch(/^keylane; hit; ttl=-30[12]; detail=upstream-failed$/);
  });

  test("fwd=request when the client bypasses the stored list", async () => {
    const { list, keylane } = await setup(SETTINGS);
    await list(ALICE);
    await keylane.advance(2_000);
    const statusWith = async (value: string) =>
      cacheStatusOf(await list(ALICE, { headers: { "cache-control": value } }));
    expect(await statusWith("no-cache")).toBe("keylane; fwd=request; stored");
    expect(await statusWith("no-store")).toBe("keylane; fwd=request");
    expect(await statusWith("only-if-cached")).toMatch(/^keylane; hit; ttl=\d+$/);
  });

  test("collapsed for requests that joined a fetch in flight", async () => {
    const { list, nano } = await setup(SETTINGS);
    const hold = nano.hold();
    const first = list(ALICE);
    await hold.arrived;
    const others = [list(ALICE), list(ALICE)];
    // Once this later request has completed, both have joined.
    await list(BOB);
    hold.release();
    expect(cacheStatusOf(await first)).toBe("keylane; fwd=uri-miss; stored");
    for (const other of await Promise.all(others)) {
      expect(cacheStatusOf(other)).toBe("keylane; fwd=uri-miss; stored; collapsed");
    }
    expect(nano.lists(ALICE)).toHaveLength(1);
  });

  test("absent from errors and passthrough responses", async () => {
    const { call, list } = await setup(SETTINGS);
    expect(cacheStatusOf(await call("/v1/models"))).toBeUndefined();
    expect(cacheStatusOf(await list(ALICE, { path: "/v1/models/unknown" }))).toBeUndefined();
    expect(cacheStatusOf(await list(ALICE, { path: "/v1/echo" }))).toBeUndefined();
  });
});
