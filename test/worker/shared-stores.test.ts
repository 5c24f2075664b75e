// Isolates that share one of Cloudflare's stores share lists, and the store learns nothing from them.
import { describe, test, vi } from "vitest";
import { ALICE, BOB } from "../support/setup.ts";
import { CACHE_SECRET, STORE_POLL, startIsolates, type EdgeStore } from "../support/worker/isolates.ts";

const HOUR = { MAX_AGE: "1h", STALE_IF_ERROR: "2h" };
const DETAILED = { path: "/v1/models?detailed=true" };

vi.setConfig({ testTimeout: 60_000 });

const STORES: readonly { name: string; store: EdgeStore }[] = [
  { name: "the Cache API", store: "cache" },
  { name: "a KV namespace", store: "lists" },
];

describe.concurrent.each(STORES)("two isolates with $name", ({ store }) => {
  test("share a list that was fetched once", async (context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [HOUR, HOUR]);
    const first = await all.request(0, ALICE);
    await expect.poll(() => all.getStored(1, ALICE), STORE_POLL).toMatchObject({ status: 200, text: first.text });
    expect(first.outcome).toBe("keylane; fwd=uri-miss; stored");
    const outcome = async () => (await all.getStored(1, ALICE)).outcome;
    await expect.poll(outcome, STORE_POLL).toMatch(/^keylane; hit; ttl=3\d\d\d$/);
    expect(all.nano.lists()).toHaveLength(1);
    expect([all.warnings(0), all.warnings(1)]).toEqual([[], []]);
  });

  test("serve no key another key's list", async (context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [HOUR, HOUR]);
    await all.request(0, ALICE);
    await expect.poll(() => all.edge.values.size, STORE_POLL).toBe(1);
    const [[alicesName, alicesValue] = ["", all.onlyStored()]] = all.edge.values;
    expect((await all.getStored(1, BOB)).status).toBe(504);
    await all.request(0, BOB);
    await expect.poll(() => all.edge.values.size, STORE_POLL).toBe(2);
    // An operator of the store replaces Bob's list with Alice's.
    for (const name of all.edge.values.keys()) all.edge.values.set(name, alicesValue);
    expect((await all.getStored(1, BOB)).status).toBe(504);
    await expect.poll(() => all.getStored(1, ALICE), STORE_POLL).toMatchObject({ status: 200 });
    expect([...all.edge.values.keys()]).toContain(alicesName);
  });

  test("reveal neither lists nor keys to the store", async (context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [HOUR]);
    const { text } = await all.request(0, ALICE);
    await expect.poll(() => all.edge.values.size, STORE_POLL).toBe(1);
    const [name] = all.edge.values.keys();
    const { bytes, fields, expirationTtl } = all.onlyStored();
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

  test("delete all lists of a key in one call after a purge", async (context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [HOUR, HOUR]);
    await all.request(0, ALICE);
    await expect.poll(() => all.getStored(1, ALICE), STORE_POLL).toMatchObject({ status: 200 });
    await all.request(0, ALICE, DETAILED);
    await expect.poll(() => all.getStored(1, ALICE, DETAILED), STORE_POLL).toMatchObject({ status: 200 });
    await expect.poll(() => all.getStored(1, ALICE), STORE_POLL).toMatchObject({ status: 200 });
    const before = all.edge.seen.length;
    expect((await all.request(0, ALICE, { method: "DELETE" })).status).toBe(204);
    await expect.poll(() => all.edge.values.size, STORE_POLL).toBe(0);
    expect(all.edge.seen).toHaveLength(before + 1);
    expect((await all.getStored(1, ALICE)).status).toBe(504);
    expect((await all.getStored(1, ALICE, DETAILED)).status).toBe(504);
  });

  test("delete all lists of a key after a 401", async (context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [HOUR, HOUR]);
    await all.request(0, ALICE);
    await expect.poll(() => all.edge.values.size, STORE_POLL).toBe(1);
    all.nano.revoke(ALICE);
    // Another list, so that the stored one is not served.
    expect((await all.request(0, ALICE, DETAILED)).status).toBe(401);
    await expect.poll(() => all.edge.values.size, STORE_POLL).toBe(0);
    expect((await all.getStored(1, ALICE)).status).toBe(504);
  });

  test("serve no expired list, even if the store still has it", async (context) => {
    const { expect } = context;
    const brief = { MAX_AGE: "3s", STALE_WHILE_REVALIDATE: "0s", STALE_IF_ERROR: "0s" };
    const all = await startIsolates(context, store, [brief, brief]);
    await all.request(0, ALICE);
    await expect.poll(() => all.getStored(1, ALICE), STORE_POLL).toMatchObject({ status: 200 });
    const { bytes, expirationTtl } = all.onlyStored();
    if (store === "lists") expect(expirationTtl).toBe(60);
    // The expiry stored beside the list, which is not authenticated, is changed to the far future.
    bytes.fill(0xff, 1, 7);
    const state = async () => ({ status: (await all.getStored(1, ALICE)).status, values: all.edge.values.size });
    await expect.poll(state, STORE_POLL).toEqual({ status: 504, values: 0 });
  });

  test("with different secrets share nothing", async (context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [HOUR, { ...HOUR, CACHE_SECRET: "another secret than before" }]);
    await all.request(0, ALICE);
    await expect.poll(() => all.edge.values.size, STORE_POLL).toBe(1);
    expect((await all.getStored(1, ALICE)).status).toBe(504);
    expect((await all.request(1, ALICE)).status).toBe(200);
    await expect.poll(() => all.edge.values.size, STORE_POLL).toBe(2);
    expect(all.warnings(1)).toEqual([]);
  });
});
