import { assert, asyncProperty, dictionary, string, uint8Array } from "fast-check";
import { describe, expect, test } from "vitest";
import { storeSetup, type StoreSetup } from "../support/single-store.ts";

const ANN = "a".repeat(64);
const BEN = "b".repeat(64);
const MINUTE = 60_000;

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** Bytes that say, as a sealed list does, when they were sealed. */
function sealedAt(storedAt: number): Uint8Array {
  const bytes = new Uint8Array(80);
  bytes[0] = 1;
  new DataView(bytes.buffer).setUint32(3, storedAt);
  return bytes;
}

async function names({ store }: StoreSetup, candidates: readonly string[]): Promise<string[]> {
  const found = await Promise.all(candidates.map((name) => store.read(ANN, name)));
  return candidates.filter((_, index) => found[index] !== undefined);
}

describe("a bundle", () => {
  test("gives back any bytes under any name, and nothing else", async () => {
    const lists = dictionary(string({ maxLength: 40 }), uint8Array({ maxLength: 100 }), {
      maxKeys: 8,
    });
    await assert(
      asyncProperty(lists, async (all) => {
        const { store } = storeSetup();
        for (const [name, bytes] of Object.entries(all)) await store.write(ANN, name, bytes, MINUTE);
        for (const [name, bytes] of Object.entries(all)) expect(await store.read(ANN, name)).toEqual(bytes);
        expect(await store.read(ANN, "none of them at all, being of more than forty letters")).toBeUndefined();
        expect(await store.read(BEN, Object.keys(all)[0] ?? "")).toBeUndefined();
      }),
    );
  });

  test("of another format is empty, deleted, and no error", async () => {
    await assert(
      asyncProperty(uint8Array({ maxLength: 300 }), async (noise) => {
        const all = storeSetup();
        all.values.set(ANN, noise);
        await all.store.read(ANN, "one");
        await all.store.write(ANN, "one", bytesOf("1"), MINUTE);
        expect(await all.store.read(ANN, "one")).toEqual(bytesOf("1"));
      }),
    );
    const cut = storeSetup();
    await cut.store.write(ANN, "one", bytesOf("1"), MINUTE);
    const whole = cut.values.get(ANN) ?? new Uint8Array();
    for (let length = 0; length < whole.length; length++) {
      cut.values.set(ANN, whole.subarray(0, length));
      expect(await cut.store.read(ANN, "one")).toBeUndefined();
      await cut.settle();
      expect(cut.values.size).toBe(0);
    }
  });

  test("holds each list for its own time, and itself for the longest of them", async () => {
    const all = storeSetup();
    await all.store.write(ANN, "long", bytesOf("1"), 10 * MINUTE);
    await all.store.write(ANN, "short", bytesOf("2"), MINUTE);
    expect(all.retentions).toEqual([10 * MINUTE, 10 * MINUTE]);
    all.advance(MINUTE - 1);
    expect(await names(all, ["long", "short"])).toEqual(["long", "short"]);
    all.advance(1);
    expect(await names(all, ["long", "short"])).toEqual(["long"]);
    all.advance(9 * MINUTE);
    expect(await names(all, ["long", "short"])).toEqual([]);
  });

  test("holds eight lists, and puts out the one sealed first", async () => {
    const all = storeSetup(10_000);
    const nine = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    const ages = [5, 3, 9, 1, 8, 2, 7, 4, 6];
    for (const [index, name] of nine.entries()) {
      await all.store.write(ANN, name, sealedAt(ages[index] ?? 0), MINUTE);
    }
    expect(await names(all, nine)).toEqual(nine.filter((name) => name !== "d"));
    await all.store.write(ANN, "c", sealedAt(10), MINUTE);
    expect(await names(all, nine)).toEqual(nine.filter((name) => name !== "d"));
  });

  test("is no larger than it may be", async () => {
    const all = storeSetup(200);
    for (const [index, name] of ["a", "b", "c"].entries()) {
      await all.store.write(ANN, name, sealedAt(index + 1), MINUTE);
    }
    expect(await names(all, ["a", "b", "c"])).toEqual(["b", "c"]);
    await all.store.write(ANN, "d", new Uint8Array(201), MINUTE);
    expect(await names(all, ["b", "c", "d"])).toEqual(["b", "c"]);
  });

  test("loses one list, and is gone with its last", async () => {
    const all = storeSetup();
    await all.store.write(ANN, "a", bytesOf("1"), MINUTE);
    await all.store.write(ANN, "b", bytesOf("2"), MINUTE);
    await all.store.delete(ANN, "a");
    expect(await names(all, ["a", "b"])).toEqual(["b"]);
    const { length } = all.done;
    await all.store.delete(ANN, "a");
    expect(all.done).toHaveLength(length);
    await all.store.delete(ANN, "b");
    expect(all.values.size).toBe(0);
  });
});

describe("a purge", () => {
  test("is one delete, and spares others", async () => {
    const all = storeSetup();
    for (const name of ["a", "b", "c"]) await all.store.write(ANN, name, bytesOf(name), MINUTE);
    await all.store.write(BEN, "a", bytesOf("ben"), MINUTE);
    const { length } = all.done;
    await all.purge(ANN);
    expect(all.done.slice(length)).toEqual(["delete"]);
    expect([...all.values.keys()]).toEqual([BEN]);
  });

  test.for(["get", "put"] as const)("beats a write that is at its %s", async (kind) => {
    const all = storeSetup();
    await all.store.write(ANN, "old", bytesOf("1"), MINUTE);
    all.before(kind, () => all.purge(ANN));
    await all.store.write(ANN, "new", bytesOf("2"), MINUTE);
    await all.settle();
    expect(all.values.size).toBe(0);
    // What need not be written is not: somebody could read it before it is deleted again.
    expect(all.done).toEqual(kind === "get" ? ["put", "delete"] : ["put", "delete", "put", "delete"]);
    await all.store.write(ANN, "newer", bytesOf("3"), MINUTE);
    expect(await names(all, ["old", "new", "newer"])).toEqual(["newer"]);
  });

  test.for(["get", "put"] as const)("of one list beats a write that is at its %s", async (kind) => {
    const all = storeSetup();
    await all.store.write(ANN, "old", bytesOf("1"), MINUTE);
    all.before(kind, () => all.store.delete(ANN, "old"));
    await all.store.write(ANN, "new", bytesOf("2"), MINUTE);
    await all.settle();
    expect(await names(all, ["old"])).toEqual([]);
  });
});

describe("two writes at once", () => {
  test("lose one list at most, and mix none", async () => {
    const all = storeSetup();
    all.before("put", () => all.store.write(ANN, "b", bytesOf("2"), MINUTE));
    await all.store.write(ANN, "a", bytesOf("1"), MINUTE);
    expect(await all.store.read(ANN, "a")).toEqual(bytesOf("1"));
    expect([undefined, bytesOf("2")]).toContainEqual(await all.store.read(ANN, "b"));
  });
});

describe("a store that fails", () => {
  test.for(["get", "put", "delete"] as const)("at its %s fails the call that was made, and no other", async (kind) => {
    const all = storeSetup();
    await all.store.write(ANN, "a", bytesOf("1"), MINUTE);
    all.before(kind, () => Promise.reject(new Error("broken")));
    const calls = {
      get: () => all.store.read(ANN, "a"),
      put: () => all.store.write(ANN, "a", bytesOf("2"), MINUTE),
      delete: () => all.purge(ANN),
    };
    await expect(calls[kind]()).rejects.toThrow("broken");
    // What outlives the request has its failure handled.
    await all.settle();
    expect(await all.store.read(ANN, "a")).toEqual(bytesOf("1"));
  });
});
