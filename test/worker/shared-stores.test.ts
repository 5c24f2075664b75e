import { describe, test, vi } from "vitest";
import { ALICE, BOB } from "../support/setup.ts";
import { CACHE_SECRET, IN_TIME, startIsolates, type EdgeStore } from "../support/worker/isolates.ts";

const HOUR = { MAX_AGE: "1h", STALE_IF_ERROR: "2h" };
const DETAILED = { path: "/v1/models?detailed=true" };

vi.setConfig({ testTimeout: 60_000 });

const STORES: readonly { name: string; store: EdgeStore }[] = [
  { name: "the Cache API", store: "cache" },
  { name: "a KV namespace", store: "lists" },
];

describe.concurrent.each(STORES)("two isolates with $name", ({ store }) => {
  test("share a list that upstream was asked for once", async (context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [HOUR, HOUR]);
    const first = await all.ask(0, ALICE);
    await expect.poll(() => all.stored(1, ALICE), IN_TIME).toMatchObject({ status: 200, text: first.text });
    expect(first.outcome).toBe("keylane; fwd=uri-miss; stored");
    const outcome = async () => (await all.stored(1, ALICE)).outcome;
    await expect.poll(outcome, IN_TIME).toMatch(/^keylane; hit; ttl=3\d\d\d$/);
    expect(all.nano.lists()).toHaveLength(1);
    expect([all.warned(0), all.warned(1)]).toEqual([[], []]);
  });

  test("serve nobody another key's list", async (context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [HOUR, HOUR]);
    await all.ask(0, ALICE);
    await expect.poll(() => all.edge.kept.size, IN_TIME).toBe(1);
    const [[alices, kept] = ["", all.only()]] = all.edge.kept;
    expect((await all.stored(1, BOB)).status).toBe(504);
    await all.ask(0, BOB);
    await expect.poll(() => all.edge.kept.size, IN_TIME).toBe(2);
    // An operator of the store puts Alice's list in the place of Bob's.
    for (const name of all.edge.kept.keys()) all.edge.kept.set(name, kept);
    expect((await all.stored(1, BOB)).status).toBe(504);
    await expect.poll(() => all.stored(1, ALICE), IN_TIME).toMatchObject({ status: 200 });
    expect([...all.edge.kept.keys()]).toContain(alices);
  });

  test("put nothing there that can be read", async (context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [HOUR]);
    const { text } = await all.ask(0, ALICE);
    await expect.poll(() => all.edge.kept.size, IN_TIME).toBe(1);
    const [name] = all.edge.kept.keys();
    const { bytes, fields, expirationTtl } = all.only();
    const written = `${all.edge.seen.join("\n")} ${JSON.stringify(fields)} ${bytes.toString("latin1")}`;
    for (const secret of [ALICE, CACHE_SECRET, "openai", "gpt-4", "Hermes", "object", "data"]) {
      expect(text + ALICE + CACHE_SECRET).toContain(secret);
      expect(written).not.toContain(secret);
    }
    const prefix = store === "cache" ? "https://keylane.invalid/1/" : "keylane:1:";
    expect(name?.slice(0, prefix.length)).toBe(prefix);
    expect(name?.slice(prefix.length)).toMatch(/^[\da-f]{62,64}$/);
    if (store === "cache") {
      expect(all.edge.seen.every((line) => line.endsWith(" keylane"))).toBe(true);
      expect(fields).toEqual({
        "cache-control": expect.stringMatching(/^public, max-age=10(?:800|799)$/),
        "content-length": String(bytes.length),
      });
    } else {
      expect(expirationTtl).toBeGreaterThan(10_700);
      expect(expirationTtl).toBeLessThanOrEqual(10_800);
    }
  });

  test("forget all lists of a key in one delete when it is purged", async (context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [HOUR, HOUR]);
    await all.ask(0, ALICE);
    await expect.poll(() => all.stored(1, ALICE), IN_TIME).toMatchObject({ status: 200 });
    await all.ask(0, ALICE, DETAILED);
    await expect.poll(() => all.stored(1, ALICE, DETAILED), IN_TIME).toMatchObject({ status: 200 });
    await expect.poll(() => all.stored(1, ALICE), IN_TIME).toMatchObject({ status: 200 });
    const before = all.edge.seen.length;
    expect((await all.ask(0, ALICE, { method: "DELETE" })).status).toBe(204);
    await expect.poll(() => all.edge.kept.size, IN_TIME).toBe(0);
    expect(all.edge.seen).toHaveLength(before + 1);
    expect((await all.stored(1, ALICE)).status).toBe(504);
    expect((await all.stored(1, ALICE, DETAILED)).status).toBe(504);
  });

  test("forget all lists of a key that upstream refuses", async (context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [HOUR, HOUR]);
    await all.ask(0, ALICE);
    await expect.poll(() => all.edge.kept.size, IN_TIME).toBe(1);
    all.nano.revoke(ALICE);
    // Another list, so that the stored one cannot be the answer.
    expect((await all.ask(0, ALICE, DETAILED)).status).toBe(401);
    await expect.poll(() => all.edge.kept.size, IN_TIME).toBe(0);
    expect((await all.stored(1, ALICE)).status).toBe(504);
  });

  test("go by their own time, however long the store keeps a list", async (context) => {
    const { expect } = context;
    const brief = { MAX_AGE: "3s", STALE_WHILE_REVALIDATE: "0s", STALE_IF_ERROR: "0s" };
    const all = await startIsolates(context, store, [brief, brief]);
    await all.ask(0, ALICE);
    await expect.poll(() => all.stored(1, ALICE), IN_TIME).toMatchObject({ status: 200 });
    const { bytes, expirationTtl } = all.only();
    if (store === "lists") expect(expirationTtl).toBe(60);
    // The store's own expiry, which no seal covers, is never.
    bytes.fill(0xff, 1, 7);
    const seen = async () => ({ status: (await all.stored(1, ALICE)).status, kept: all.edge.kept.size });
    await expect.poll(seen, IN_TIME).toEqual({ status: 504, kept: 0 });
  });

  test("with different secrets know nothing of each other", async (context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [HOUR, { ...HOUR, CACHE_SECRET: "another secret than before" }]);
    await all.ask(0, ALICE);
    await expect.poll(() => all.edge.kept.size, IN_TIME).toBe(1);
    expect((await all.stored(1, ALICE)).status).toBe(504);
    expect((await all.ask(1, ALICE)).status).toBe(200);
    await expect.poll(() => all.edge.kept.size, IN_TIME).toBe(2);
    expect(all.warned(1)).toEqual([]);
  });
});
