// Whatever Cloudflare's stores do, clients get their lists, and only one warning is logged.
import { describe, test, vi } from "vitest";
import { ALICE } from "../support/setup.ts";
import { STORE_POLL, startIsolates, type EdgeStore } from "../support/worker/isolates.ts";

const HOUR = { MAX_AGE: "1h", STALE_IF_ERROR: "2h" };

vi.setConfig({ testTimeout: 60_000 });

const STORES: readonly { name: string; store: EdgeStore }[] = [
  { name: "the Cache API", store: "cache" },
  { name: "a KV namespace", store: "lists" },
];

const CORRUPTIONS: readonly { what: string; corrupt: (bytes: Buffer) => Buffer }[] = [
  { what: "emptied", corrupt: () => Buffer.alloc(0) },
  { what: "truncated", corrupt: (bytes) => bytes.subarray(0, -1) },
  { what: "longer", corrupt: (bytes) => Buffer.concat([bytes, Buffer.alloc(1)]) },
  { what: "of another format", corrupt: (bytes) => flipBit(bytes, 11 + 22) },
  { what: "changed in its last bit", corrupt: (bytes) => flipBit(bytes, bytes.length - 1) },
  { what: "noise", corrupt: () => Buffer.from("<html>no</html>".repeat(1000)) },
  { what: "zeros", corrupt: () => Buffer.alloc(4000) },
  { what: "huge", corrupt: () => Buffer.alloc(20 * 2 ** 20, 1) },
];

function flipBit(bytes: Buffer, at: number): Buffer {
  const flipped = Buffer.from(bytes);
  flipped[at] = (flipped[at] ?? 0) ^ 1;
  return flipped;
}

describe.concurrent.each(STORES)("a corrupted value in $name", ({ store }) => {
  test("is a miss, is deleted, and causes no error", async (context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [HOUR, HOUR]);
    for (const { what, corrupt } of CORRUPTIONS) {
      await all.request(0, ALICE, { method: "DELETE" });
      await all.fetchUntilStored(0, ALICE);
      await expect.poll(() => all.getStored(1, ALICE), STORE_POLL).toMatchObject({ status: 200 });
      const value = all.onlyStored();
      value.bytes = corrupt(value.bytes);
      if ("content-length" in value.fields) value.fields["content-length"] = String(value.bytes.length);
      expect((await all.getStored(1, ALICE)).status, what).toBe(504);
      // A read may time out; the value is deleted after the first complete read.
      await expect.poll(async () => (await all.getStored(1, ALICE)).status && all.edge.values.size, STORE_POLL).toBe(0);
    }
    expect((await all.request(1, ALICE)).status).toBe(200);
  });
});

const FAULTS = ["silent", "broken", "cut"] as const;

describe.concurrent.each(STORES)("when $name", ({ store }) => {
  test.for(FAULTS)("is %s, requests are answered, and one warning is logged", async (fault, context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [{ ...HOUR, LOG_LEVEL: "info" }]);
    all.edge.fault = fault;
    const answers = [
      await all.request(0, ALICE),
      await all.request(0, ALICE, { path: "/v1/models?detailed=true" }),
      await all.request(0, ALICE, { path: "/subscription/v1/models" }),
      await all.request(0, ALICE, { method: "DELETE" }),
      await all.request(0, ALICE),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 204, 200]);
    expect(all.nano.lists()).toHaveLength(4);
    expect(all.logLines(0).filter((line) => line.includes("unavailable, continuing without it"))).toHaveLength(1);
    expect(all.logLines(0).filter((line) => line.includes('"level":"error"'))).toEqual([]);

    all.edge.fault = undefined;
    // The pending purge is sent first.
    const refreshed = async () => {
      await all.request(0, ALICE, { fields: "Cache-Control: no-cache" });
      return all.edge.values.size;
    };
    await expect.poll(refreshed, STORE_POLL).toBe(1);
    await expect.poll(() => all.logLines(0).join("\n"), STORE_POLL).toContain(" recovered");
  });

  test("is slow, no client waits, and lists are stored in the end", async (context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [HOUR, HOUR]);
    all.edge.fault = "slow";
    expect((await all.request(0, ALICE)).status).toBe(200);
    await expect.poll(() => all.edge.values.size, STORE_POLL).toBe(1);
    all.edge.fault = undefined;
    await expect.poll(() => all.getStored(1, ALICE), STORE_POLL).toMatchObject({ status: 200 });
  });

  test("is slow only to write, no failure is logged", async (context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [HOUR]);
    all.edge.fault = "slow to write";
    await all.request(0, ALICE);
    await expect.poll(() => all.edge.values.size, STORE_POLL).toBe(1);
    expect(all.warnings(0)).toEqual([]);
  });

  test("is slow to purge, the lists are deleted in the end", async (context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [HOUR]);
    await all.request(0, ALICE);
    await expect.poll(() => all.edge.values.size, STORE_POLL).toBe(1);
    all.edge.fault = "slow";
    expect((await all.request(0, ALICE, { method: "DELETE" })).status).toBe(204);
    await expect.poll(() => all.edge.values.size, STORE_POLL).toBe(0);
  });
});
