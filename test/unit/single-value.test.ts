import { assert, asyncProperty, dictionary, string, uint8Array } from "fast-check";
import { describe, expect, test } from "vitest";
import { stage, type Stage } from "../support/single-store.ts";

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

async function names({ vault }: Stage, candidates: readonly string[]): Promise<string[]> {
  const found = await Promise.all(candidates.map((name) => vault.read(ANN, name)));
  return candidates.filter((_, index) => found[index] !== undefined);
}

describe("a bundle", () => {
  test("gives back any bytes under any name, and nothing else", async () => {
    const lists = dictionary(string({ maxLength: 40 }), uint8Array({ maxLength: 100 }), {
      maxKeys: 8,
    });
    await assert(
      asyncProperty(lists, async (all) => {
        const { vault } = stage();
        for (const [name, bytes] of Object.entries(all)) await vault.write(ANN, name, bytes, MINUTE);
        for (const [name, bytes] of Object.entries(all)) expect(await vault.read(ANN, name)).toEqual(bytes);
        expect(
          await vault.read(ANN, "none of them at all, being of more than forty letters"),
        ).toBeUndefined();
        expect(await vault.read(BEN, Object.keys(all)[0] ?? "")).toBeUndefined();
      }),
    );
  });

  test("that is none is empty, gone soon, and no error", async () => {
    await assert(
      asyncProperty(uint8Array({ maxLength: 300 }), async (noise) => {
        const all = stage();
        all.values.set(ANN, noise);
        await all.vault.read(ANN, "one");
        await all.vault.write(ANN, "one", bytesOf("1"), MINUTE);
        expect(await all.vault.read(ANN, "one")).toEqual(bytesOf("1"));
      }),
    );
    const cut = stage();
    await cut.vault.write(ANN, "one", bytesOf("1"), MINUTE);
    const whole = cut.values.get(ANN) ?? new Uint8Array();
    for (let length = 0; length < whole.length; length++) {
      cut.values.set(ANN, whole.subarray(0, length));
      expect(await cut.vault.read(ANN, "one")).toBeUndefined();
      await cut.settle();
      expect(cut.values.size).toBe(0);
    }
  });

  test("holds each list for its own time, and itself for the longest of them", async () => {
    const all = stage();
    await all.vault.write(ANN, "long", bytesOf("1"), 10 * MINUTE);
    await all.vault.write(ANN, "short", bytesOf("2"), MINUTE);
    expect(all.retentions).toEqual([10 * MINUTE, 10 * MINUTE]);
    all.advance(MINUTE - 1);
    expect(await names(all, ["long", "short"])).toEqual(["long", "short"]);
    all.advance(1);
    expect(await names(all, ["long", "short"])).toEqual(["long"]);
    all.advance(9 * MINUTE);
    expect(await names(all, ["long", "short"])).toEqual([]);
  });

  test("holds eight lists, and puts out the one sealed first", async () => {
    const all = stage(10_000);
    const nine = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    const ages = [5, 3, 9, 1, 8, 2, 7, 4, 6];
    for (const [index, name] of nine.entries()) {
      await all.vault.write(ANN, name, sealedAt(ages[index] ?? 0), MINUTE);
    }
    expect(await names(all, nine)).toEqual(nine.filter((name) => name !== "d"));
    await all.vault.write(ANN, "c", sealedAt(10), MINUTE);
    expect(await names(all, nine)).toEqual(nine.filter((name) => name !== "d"));
  });

  test("is no larger than it may be", async () => {
    const all = stage(200);
    for (const [index, name] of ["a", "b", "c"].entries()) {
      await all.vault.write(ANN, name, sealedAt(index + 1), MINUTE);
    }
    expect(await names(all, ["a", "b", "c"])).toEqual(["b", "c"]);
    await all.vault.write(ANN, "d", new Uint8Array(201), MINUTE);
    expect(await names(all, ["b", "c", "d"])).toEqual(["b", "c"]);
  });

  test("loses one list, and is gone with its last", async () => {
    const all = stage();
    await all.vault.write(ANN, "a", bytesOf("1"), MINUTE);
    await all.vault.write(ANN, "b", bytesOf("2"), MINUTE);
    await all.vault.delete(ANN, "a");
    expect(await names(all, ["a", "b"])).toEqual(["b"]);
    const { length } = all.done;
    await all.vault.delete(ANN, "a");
    expect(all.done).toHaveLength(length);
    await all.vault.delete(ANN, "b");
    expect(all.values.size).toBe(0);
  });
});

describe("a purge", () => {
  test("is one delete, and spares others", async () => {
    const all = stage();
    for (const name of ["a", "b", "c"]) await all.vault.write(ANN, name, bytesOf(name), MINUTE);
    await all.vault.write(BEN, "a", bytesOf("ben"), MINUTE);
    const { length } = all.done;
    await all.purge(ANN);
    expect(all.done.slice(length)).toEqual(["delete"]);
    expect([...all.values.keys()]).toEqual([BEN]);
  });

  test.for(["get", "put"] as const)("beats a write that is at its %s", async (kind) => {
    const all = stage();
    await all.vault.write(ANN, "old", bytesOf("1"), MINUTE);
    all.before(kind, () => all.purge(ANN));
    await all.vault.write(ANN, "new", bytesOf("2"), MINUTE);
    await all.settle();
    expect(all.values.size).toBe(0);
    // What need not be written is not: somebody could read it before it is deleted again.
    expect(all.done).toEqual(kind === "get" ? ["put", "delete"] : ["put", "delete", "put", "delete"]);
    await all.vault.write(ANN, "newer", bytesOf("3"), MINUTE);
    expect(await names(all, ["old", "new", "newer"])).toEqual(["newer"]);
  });

  test.for(["get", "put"] as const)("of one list beats a write that is at its %s", async (kind) => {
    const all = stage();
    await all.vault.write(ANN, "old", bytesOf("1"), MINUTE);
    all.before(kind, () => all.vault.delete(ANN, "old"));
    await all.vault.write(ANN, "new", bytesOf("2"), MINUTE);
    await all.settle();
    expect(await names(all, ["old"])).toEqual([]);
  });
});

describe("two writes at once", () => {
  test("lose one list at most, and mix none", async () => {
    const all = stage();
    all.before("put", () => all.vault.write(ANN, "b", bytesOf("2"), MINUTE));
    await all.vault.write(ANN, "a", bytesOf("1"), MINUTE);
    expect(await all.vault.read(ANN, "a")).toEqual(bytesOf("1"));
    expect([undefined, bytesOf("2")]).toContainEqual(await all.vault.read(ANN, "b"));
  });
});

describe("a store that fails", () => {
  test.for(["get", "put", "delete"] as const)(
    "at its %s fails whoever asked, and nobody else",
    async (kind) => {
      const all = stage();
      await all.vault.write(ANN, "a", bytesOf("1"), MINUTE);
      all.before(kind, () => Promise.reject(new Error("broken")));
      const calls = {
        get: () => all.vault.read(ANN, "a"),
        put: () => all.vault.write(ANN, "a", bytesOf("2"), MINUTE),
        delete: () => all.purge(ANN),
      };
      await expect(calls[kind]()).rejects.toThrow("broken");
      // What outlives the request has its failure handled.
      await all.settle();
      expect(await all.vault.read(ANN, "a")).toEqual(bytesOf("1"));
    },
  );
});
