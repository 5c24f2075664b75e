import { describe, test, vi } from "vitest";
import { ALICE } from "../support/setup.ts";
import { IN_TIME, startIsolates, type EdgeStore } from "../support/worker/isolates.ts";

const HOUR = { MAX_AGE: "1h", STALE_IF_ERROR: "2h" };

vi.setConfig({ testTimeout: 60_000 });

const STORES: readonly { name: string; store: EdgeStore }[] = [
  { name: "the Cache API", store: "cache" },
  { name: "a KV namespace", store: "lists" },
];

const DAMAGES: readonly { damage: string; done: (bytes: Buffer) => Buffer }[] = [
  { damage: "emptied", done: () => Buffer.alloc(0) },
  { damage: "cut", done: (bytes) => bytes.subarray(0, -1) },
  { damage: "longer", done: (bytes) => Buffer.concat([bytes, Buffer.alloc(1)]) },
  { damage: "of another format", done: (bytes) => changed(bytes, 11 + 22) },
  { damage: "changed in its last bit", done: (bytes) => changed(bytes, bytes.length - 1) },
  { damage: "noise", done: () => Buffer.from("<html>no</html>".repeat(1000)) },
  { damage: "zeros", done: () => Buffer.alloc(4000) },
  { damage: "huge", done: () => Buffer.alloc(20 * 2 ** 20, 1) },
];

function changed(bytes: Buffer, at: number): Buffer {
  const other = Buffer.from(bytes);
  other[at] = (other[at] ?? 0) ^ 1;
  return other;
}

describe.concurrent.each(STORES)("what lies damaged in $name", ({ store }) => {
  test("is a miss, is deleted, and is no error", async (context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [HOUR, HOUR]);
    for (const { damage, done } of DAMAGES) {
      await all.ask(0, ALICE, { method: "DELETE" });
      await all.store(0, ALICE);
      await expect.poll(() => all.stored(1, ALICE), IN_TIME).toMatchObject({ status: 200 });
      const kept = all.only();
      kept.bytes = done(kept.bytes);
      if ("content-length" in kept.fields) kept.fields["content-length"] = String(kept.bytes.length);
      expect((await all.stored(1, ALICE)).status, damage).toBe(504);
      // What is slow to read is not known to be damaged, until it is read.
      await expect.poll(async () => (await all.stored(1, ALICE)).status && all.edge.kept.size, IN_TIME).toBe(0);
    }
    expect((await all.ask(1, ALICE)).status).toBe(200);
  });
});

const FAULTS = ["silent", "broken", "cut"] as const;

describe.concurrent.each(STORES)("when $name", ({ store }) => {
  test.for(FAULTS)("is %s, answers come all the same, and one warning", async (fault, context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [{ ...HOUR, LOG_LEVEL: "info" }]);
    all.edge.fault = fault;
    const answers = [
      await all.ask(0, ALICE),
      await all.ask(0, ALICE, { path: "/v1/models?detailed=true" }),
      await all.ask(0, ALICE, { path: "/subscription/v1/models" }),
      await all.ask(0, ALICE, { method: "DELETE" }),
      await all.ask(0, ALICE),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 204, 200]);
    expect(all.nano.lists()).toHaveLength(4);
    expect(all.said(0).filter((line) => line.includes("unavailable, continuing without it"))).toHaveLength(1);
    expect(all.said(0).filter((line) => line.includes('"level":"error"'))).toEqual([]);

    all.edge.fault = undefined;
    // The pending purge is sent first.
    const refreshed = async () => {
      await all.ask(0, ALICE, { fields: "Cache-Control: no-cache" });
      return all.edge.kept.size;
    };
    await expect.poll(refreshed, IN_TIME).toBe(1);
    await expect.poll(() => all.said(0).join("\n"), IN_TIME).toContain(" recovered");
  });

  test("takes its time, nobody waits, and lists arrive there in the end", async (context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [HOUR, HOUR]);
    all.edge.fault = "slow";
    expect((await all.ask(0, ALICE)).status).toBe(200);
    await expect.poll(() => all.edge.kept.size, IN_TIME).toBe(1);
    all.edge.fault = undefined;
    await expect.poll(() => all.stored(1, ALICE), IN_TIME).toMatchObject({ status: 200 });
  });

  test("is slow only in writes, that is no failure", async (context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [HOUR]);
    all.edge.fault = "slow to write";
    await all.ask(0, ALICE);
    await expect.poll(() => all.edge.kept.size, IN_TIME).toBe(1);
    expect(all.warned(0)).toEqual([]);
  });

  test("is slow to purge, it is purged in the end", async (context) => {
    const { expect } = context;
    const all = await startIsolates(context, store, [HOUR]);
    await all.ask(0, ALICE);
    await expect.poll(() => all.edge.kept.size, IN_TIME).toBe(1);
    all.edge.fault = "slow";
    expect((await all.ask(0, ALICE, { method: "DELETE" })).status).toBe(204);
    await expect.poll(() => all.edge.kept.size, IN_TIME).toBe(0);
  });
});
