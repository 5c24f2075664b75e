// A store with one value per fingerprint never mixes lists, never exceeds its limits, and never undoes a purge.
import { assert, asyncProperty, dictionary, string, uint8Array } from "fast-check";
import { describe, expect, test } from "vitest";
import { createSingleValueStore, type KeyValueStore } from "../../src/storage/single-value.ts";

const ALICE = "a".repeat(64);
const BOB = "b".repeat(64);
const MINUTE = 60_000;

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** Bytes that begin as a sealed list does: with its format and `storedAt`. */
function sealedAt(storedAt: number): Uint8Array {
  const bytes = new Uint8Array(80);
  bytes[0] = 1;
  new DataView(bytes.buffer).setUint32(3, storedAt);
  return bytes;
}

/** A remote store over a Map; the lists of one fingerprint may take `maxBytes`. */
function setup(maxBytes = 1000) {
  const values = new Map<string, Uint8Array>();
  const calls: string[] = [];
  const retentions: number[] = [];
  const interruptions = new Map<string, () => Promise<void>>();
  const background: Promise<unknown>[] = [];
  let now = 1_800_000_000_000;

  async function interrupt(kind: string): Promise<void> {
    const interruption = interruptions.get(kind);
    interruptions.delete(kind);
    await interruption?.();
  }
  const keyValueStore: KeyValueStore = {
    label: "store",
    async get(fingerprint) {
      const value = values.get(fingerprint);
      await interrupt("get");
      return value;
    },
    async put(fingerprint, bytes, retentionMs) {
      await interrupt("put");
      calls.push("put");
      retentions.push(retentionMs);
      values.set(fingerprint, bytes);
    },
    async delete(fingerprint) {
      await interrupt("delete");
      calls.push("delete");
      values.delete(fingerprint);
    },
  };
  const waitUntil = (work: Promise<unknown>) => void background.push(work);
  const store = createSingleValueStore(keyValueStore, { maxBytes, now: () => now, waitUntil });
  return {
    store,
    values,
    retentions,
    /** The writes and deletes of the key-value store. */
    calls,
    purge: (fingerprint: string) => store.purge(fingerprint, now),
    /** Runs `interruption` once, during the next call of that kind. */
    during: (kind: "get" | "put" | "delete", interruption: () => Promise<void>) =>
      void interruptions.set(kind, interruption),
    advance: (ms: number) => void (now += ms),
    /** Waits for the work in the background. */
    settle: async () => void (await Promise.all(background)),
  };
}

async function storedNames({ store }: ReturnType<typeof setup>, candidates: readonly string[]): Promise<string[]> {
  const values = await Promise.all(candidates.map((name) => store.read(ALICE, name)));
  return candidates.filter((_, index) => values[index] !== undefined);
}

describe("a single value", () => {
  test("gives any bytes back under their own name only", async () => {
    const lists = dictionary(string({ maxLength: 40 }), uint8Array({ maxLength: 100 }), {
      maxKeys: 8,
    });
    await assert(
      asyncProperty(lists, async (all) => {
        const { store } = setup();
        for (const [name, bytes] of Object.entries(all)) await store.write(ALICE, name, bytes, MINUTE);
        for (const [name, bytes] of Object.entries(all)) expect(await store.read(ALICE, name)).toEqual(bytes);
        expect(await store.read(ALICE, "a name that is longer than the forty characters above")).toBeUndefined();
        expect(await store.read(BOB, Object.keys(all)[0] ?? "")).toBeUndefined();
      }),
    );
  });

  test("of another format is a miss and is deleted", async () => {
    await assert(
      asyncProperty(uint8Array({ maxLength: 300 }), async (noise) => {
        const all = setup();
        all.values.set(ALICE, noise);
        await all.store.read(ALICE, "one");
        await all.store.write(ALICE, "one", bytesOf("1"), MINUTE);
        expect(await all.store.read(ALICE, "one")).toEqual(bytesOf("1"));
      }),
    );
    const cut = setup();
    await cut.store.write(ALICE, "one", bytesOf("1"), MINUTE);
    const whole = cut.values.get(ALICE) ?? new Uint8Array();
    for (let length = 0; length < whole.length; length++) {
      cut.values.set(ALICE, whole.subarray(0, length));
      expect(await cut.store.read(ALICE, "one")).toBeUndefined();
      await cut.settle();
      expect(cut.values.size).toBe(0);
    }
  });

  test("keeps each list for its own retention, and itself for the longest of them", async () => {
    const all = setup();
    await all.store.write(ALICE, "long", bytesOf("1"), 10 * MINUTE);
    await all.store.write(ALICE, "short", bytesOf("2"), MINUTE);
    expect(all.retentions).toEqual([10 * MINUTE, 10 * MINUTE]);
    all.advance(MINUTE - 1);
    expect(await storedNames(all, ["long", "short"])).toEqual(["long", "short"]);
    all.advance(1);
    expect(await storedNames(all, ["long", "short"])).toEqual(["long"]);
    all.advance(9 * MINUTE);
    expect(await storedNames(all, ["long", "short"])).toEqual([]);
  });

  test("has at most eight lists, and drops the one sealed first", async () => {
    const all = setup(10_000);
    const nine = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    const ages = [5, 3, 9, 1, 8, 2, 7, 4, 6];
    for (const [index, name] of nine.entries()) {
      await all.store.write(ALICE, name, sealedAt(ages[index] ?? 0), MINUTE);
    }
    expect(await storedNames(all, nine)).toEqual(nine.filter((name) => name !== "d"));
    await all.store.write(ALICE, "c", sealedAt(10), MINUTE);
    expect(await storedNames(all, nine)).toEqual(nine.filter((name) => name !== "d"));
  });

  test("never exceeds its size limit", async () => {
    const all = setup(200);
    for (const [index, name] of ["a", "b", "c"].entries()) {
      await all.store.write(ALICE, name, sealedAt(index + 1), MINUTE);
    }
    expect(await storedNames(all, ["a", "b", "c"])).toEqual(["b", "c"]);
    await all.store.write(ALICE, "d", new Uint8Array(201), MINUTE);
    expect(await storedNames(all, ["b", "c", "d"])).toEqual(["b", "c"]);
  });

  test("is deleted together with its last list", async () => {
    const all = setup();
    await all.store.write(ALICE, "a", bytesOf("1"), MINUTE);
    await all.store.write(ALICE, "b", bytesOf("2"), MINUTE);
    await all.store.delete(ALICE, "a");
    expect(await storedNames(all, ["a", "b"])).toEqual(["b"]);
    const { length } = all.calls;
    await all.store.delete(ALICE, "a");
    expect(all.calls).toHaveLength(length);
    await all.store.delete(ALICE, "b");
    expect(all.values.size).toBe(0);
  });
});

describe("a purge", () => {
  test("is one delete, and leaves other fingerprints alone", async () => {
    const all = setup();
    for (const name of ["a", "b", "c"]) await all.store.write(ALICE, name, bytesOf(name), MINUTE);
    await all.store.write(BOB, "a", bytesOf("bob"), MINUTE);
    const { length } = all.calls;
    await all.purge(ALICE);
    expect(all.calls.slice(length)).toEqual(["delete"]);
    expect([...all.values.keys()]).toEqual([BOB]);
  });

  test.for(["get", "put"] as const)("wins over a write that is in its %s", async (kind) => {
    const all = setup();
    await all.store.write(ALICE, "old", bytesOf("1"), MINUTE);
    all.during(kind, () => all.purge(ALICE));
    await all.store.write(ALICE, "new", bytesOf("2"), MINUTE);
    await all.settle();
    expect(all.values.size).toBe(0);
    // A write is left out where possible: a peer could read it before it is deleted again.
    expect(all.calls).toEqual(kind === "get" ? ["put", "delete"] : ["put", "delete", "put", "delete"]);
    await all.store.write(ALICE, "newer", bytesOf("3"), MINUTE);
    expect(await storedNames(all, ["old", "new", "newer"])).toEqual(["newer"]);
  });

  test.for(["get", "put"] as const)("of one list wins over a write that is in its %s", async (kind) => {
    const all = setup();
    await all.store.write(ALICE, "old", bytesOf("1"), MINUTE);
    all.during(kind, () => all.store.delete(ALICE, "old"));
    await all.store.write(ALICE, "new", bytesOf("2"), MINUTE);
    await all.settle();
    expect(await storedNames(all, ["old"])).toEqual([]);
  });
});

describe("two writes at once", () => {
  test("lose at most one list, and mix none", async () => {
    const all = setup();
    all.during("put", () => all.store.write(ALICE, "b", bytesOf("2"), MINUTE));
    await all.store.write(ALICE, "a", bytesOf("1"), MINUTE);
    expect(await all.store.read(ALICE, "a")).toEqual(bytesOf("1"));
    expect([undefined, bytesOf("2")]).toContainEqual(await all.store.read(ALICE, "b"));
  });
});

describe("a store that fails", () => {
  test.for(["get", "put", "delete"] as const)("in its %s fails that call and no other", async (kind) => {
    const all = setup();
    await all.store.write(ALICE, "a", bytesOf("1"), MINUTE);
    all.during(kind, () => Promise.reject(new Error("broken")));
    const calls = {
      get: () => all.store.read(ALICE, "a"),
      put: () => all.store.write(ALICE, "a", bytesOf("2"), MINUTE),
      delete: () => all.purge(ALICE),
    };
    await expect(calls[kind]()).rejects.toThrow("broken");
    // The failure of work in the background is handled.
    await all.settle();
    expect(await all.store.read(ALICE, "a")).toEqual(bytesOf("1"));
  });
});
