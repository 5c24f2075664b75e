// The memory store never mixes two keys and never exceeds its limit.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MAX_VARIANTS, type CacheKey, type StoredList } from "../../src/storage/store.ts";
import { createMemoryStore, sizeInBytes } from "../../src/storage/memory.ts";

const OVERHEAD = 1024;
const listOf = (bytes: number, name = ""): StoredList => ({
  storedAt: 0,
  isEmpty: false,
  isBasic: false,
  original: { coding: "identity", bytes: new Uint8Array(bytes), etag: name },
  views: new Map(),
});
const grow = (list: StoredList, bytes: number) =>
  list.views.set(`v${list.views.size}`, { coding: "br", bytes: new Uint8Array(bytes), etag: "" });
const key = (fingerprint: string, variant: string): CacheKey => ({ fingerprint, variant });

describe("the memory store", () => {
  test("gives a list for exactly the key it was stored under", () => {
    const store = createMemoryStore(1_000_000);
    const list = listOf(10);
    store.put(key("a", "1"), list);
    expect(store.get(key("a", "1"))).toBe(list);
    for (const other of [key("a", "2"), key("b", "1"), key("a1", ""), key("", "a1"), key("__proto__", "1")]) {
      expect(store.get(other)).toBeUndefined();
    }
  });

  test("stores 8 variants of a client: a further one evicts that client's oldest", () => {
    const store = createMemoryStore(1_000_000);
    store.put(key("b", "1"), listOf(10));
    for (let i = 0; i < MAX_VARIANTS; i++) store.put(key("a", `${i}`), listOf(10));
    // Storing a variant again makes it the newest; reading it does not.
    store.put(key("a", "0"), listOf(10));
    store.get(key("a", "1"));
    store.put(key("a", "8"), listOf(10));
    const isStored = Array.from({ length: 9 }, (_, i) => store.get(key("a", `${i}`)) !== undefined);
    expect(isStored).toEqual([true, false, true, true, true, true, true, true, true]);
    expect(store.get(key("b", "1"))).toBeDefined();
    expect(store.size()).toMatchObject({ lists: 9, evictions: 1 });
  });

  test("evicts the least recently used clients when it is full", () => {
    const store = createMemoryStore(10 * (OVERHEAD + 100));
    for (let i = 0; i < 10; i++) store.put(key(`${i}`, ""), listOf(100));
    store.get(key("0", ""));
    for (const name of ["x", "y"]) store.put(key(name, ""), listOf(100));
    expect(store.get(key("0", ""))).toBeDefined();
    expect([store.get(key("1", "")), store.get(key("2", ""))]).toEqual([undefined, undefined]);
    expect(store.size()).toEqual({ lists: 10, bytes: 10 * (OVERHEAD + 100), evictions: 2 });
  });

  test("gives no client more than a quarter of its bytes", () => {
    const store = createMemoryStore(100_000);
    store.put(key("b", ""), listOf(1000));
    for (let i = 0; i < 8; i++) store.put(key("a", `${i}`), listOf(9000));
    expect(store.size().bytes).toBeLessThanOrEqual(25_000 + OVERHEAD + 1000);
    expect(store.get(key("a", "7"))).toBeDefined();
    store.put(key("a", "huge"), listOf(90_000));
    expect(store.get(key("a", "huge"))).toBeUndefined();
    expect(store.get(key("b", ""))).toBeDefined();
  });

  test("updates the size of a list that has grown, but not of one that was replaced", () => {
    const store = createMemoryStore(100_000);
    const [old, list] = [listOf(100), listOf(100)];
    store.put(key("a", ""), old);
    store.put(key("a", ""), list);
    const before = store.size().bytes;
    grow(old, 5000);
    store.updateSize(key("a", ""), old);
    store.updateSize(key("b", ""), old);
    expect(store.size()).toMatchObject({ lists: 1, bytes: before });
    expect(store.get(key("a", ""))).toBe(list);
    grow(list, 5000);
    store.updateSize(key("a", ""), list);
    expect(store.size().bytes).toBe(OVERHEAD + sizeInBytes(list));
    expect(store.size().bytes).toBeGreaterThan(before + 5000);
    grow(list, 50_000);
    store.updateSize(key("a", ""), list);
    expect(store.size()).toMatchObject({ lists: 0, bytes: 0 });
  });

  const fingerprint = fc.constantFrom("a", "b", "c", "d", "e", "f");
  const anyKey = fc.record({ fingerprint, variant: fc.integer({ min: 0, max: 11 }).map(String) });
  const bytes = fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 0, max: 40_000 }));
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("put"), key: anyKey, bytes }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("grow"), key: anyKey, bytes }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete"), key: anyKey, bytes }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("purge"), key: anyKey, bytes }) },
  );

  test("stays within its limit, counts correctly and never mixes two keys, for any operations", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), fc.array(step, { maxLength: 60 }), (maxBytes, steps) => {
        const store = createMemoryStore(maxBytes);
        const latest = new Map<string, { key: CacheKey; list: StoredList }>();
        for (const { kind, key, bytes } of steps) {
          const name = `${key.fingerprint} ${key.variant}`;
          if (kind === "put") {
            const list = listOf(bytes, name);
            latest.set(name, { key, list });
            store.put(key, list);
          } else if (kind === "grow") {
            const list = store.get(key);
            if (list !== undefined) grow(list, bytes);
            if (list !== undefined) store.updateSize(key, list);
          } else if (kind === "delete") {
            latest.delete(name);
            store.delete(key);
          } else {
            for (const other of latest.keys()) if (other.startsWith(`${key.fingerprint} `)) latest.delete(other);
            store.purge(key.fingerprint);
          }
          check(store, latest, maxBytes);
        }
      }),
    );
  });
});

function check(
  store: ReturnType<typeof createMemoryStore>,
  latest: ReadonlyMap<string, { key: CacheKey; list: StoredList }>,
  maxBytes: number,
): void {
  let lists = 0;
  let stored = 0;
  const variants = new Map<string, number>();
  for (const fingerprint of ["a", "b", "c", "d", "e", "f"]) {
    for (let variant = 0; variant < 12; variant++) {
      const found = store.get({ fingerprint, variant: `${variant}` });
      if (found === undefined) continue;
      expect(found).toBe(latest.get(`${fingerprint} ${variant}`)?.list);
      variants.set(fingerprint, (variants.get(fingerprint) ?? 0) + 1);
      lists++;
      stored += OVERHEAD + sizeInBytes(found);
    }
  }
  expect(store.size()).toMatchObject({ lists, bytes: stored });
  expect(stored).toBeLessThanOrEqual(maxBytes);
  expect(Math.max(0, ...variants.values())).toBeLessThanOrEqual(MAX_VARIANTS);
}
