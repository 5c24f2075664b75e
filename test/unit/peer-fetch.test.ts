// Processes that share a remote store ask upstream one at a time, and wait for each other's list.
import { describe, expect, test } from "vitest";
import { loadFromPeers } from "../../src/cache/peer-fetch.ts";
import type { SharedEntry } from "../../src/storage/shared-store.ts";
import type { StoredList } from "../../src/storage/store.ts";

const listOf = (storedAt: number): StoredList => ({
  storedAt,
  isEmpty: false,
  isBasic: false,
  original: { coding: "identity", bytes: new Uint8Array(), etag: "" },
  views: new Map(),
});
const OLD = listOf(1);
const NEW = listOf(2);
const isAcceptable = (list: StoredList) => list === NEW;

/** An entry whose calls of `get` and `tryLock` give these results in order, and the last one from then on. */
function entryOf(lists: readonly (StoredList | undefined)[], locks: readonly boolean[]) {
  const calls: string[] = [];
  let [gets, lockAttempts] = [0, 0];
  const entry: SharedEntry = {
    get: async () => {
      calls.push("get");
      return lists[Math.min(gets++, lists.length - 1)];
    },
    tryLock: async () => {
      calls.push("tryLock");
      return locks[Math.min(lockAttempts++, locks.length - 1)] ?? false;
    },
    unlock: async () => void calls.push("unlock"),
    set: async () => void calls.push("set"),
    delete: async () => void calls.push("delete"),
    purge: async () => void calls.push("purge"),
  };
  return { entry, calls };
}

const HOUR_MS = 3_600_000;
const farDeadline = () => Date.now() + HOUR_MS;

describe("a process that asks its peers", () => {
  test("uses an acceptable list without taking the lock", async () => {
    const { entry, calls } = entryOf([NEW], []);
    expect(await loadFromPeers(entry, isAcceptable, farDeadline(), Date.now)).toEqual({
      list: NEW,
      isAcceptable: true,
    });
    expect(calls).toEqual(["get"]);
  });

  test.for([undefined, OLD])("has to ask upstream if it gets the lock: %o", async (list) => {
    const { entry, calls } = entryOf([list], [true]);
    expect(await loadFromPeers(entry, isAcceptable, farDeadline(), Date.now)).toEqual({ list, isAcceptable: false });
    expect(calls.toSorted()).toEqual(["get", "get", "tryLock"]);
  });

  // Otherwise upstream would be asked twice whenever a peer finishes just before this process takes the lock.
  test("uses a list that a peer stored just before it got the lock, and unlocks", async () => {
    const { entry, calls } = entryOf([undefined, NEW], [true]);
    expect(await loadFromPeers(entry, isAcceptable, farDeadline(), Date.now)).toEqual({
      list: NEW,
      isAcceptable: true,
    });
    expect(calls).toEqual(["get", "tryLock", "get", "unlock"]);
  });

  test("waits for a peer that has the lock, and does not unlock it", async () => {
    const { entry, calls } = entryOf([undefined, undefined, undefined, NEW], [false]);
    expect(await loadFromPeers(entry, isAcceptable, farDeadline(), Date.now)).toEqual({
      list: NEW,
      isAcceptable: true,
    });
    expect(calls).not.toContain("unlock");
  });

  test("takes over when the peer's lock is free without a list", async () => {
    const { entry } = entryOf([OLD], [false, false, true]);
    expect(await loadFromPeers(entry, isAcceptable, farDeadline(), Date.now)).toEqual({
      list: OLD,
      isAcceptable: false,
    });
  });

  test("waits until its deadline only, and then has the stale list", async () => {
    const { entry } = entryOf([OLD], [false]);
    const deadline = Date.now() + 250;
    expect(await loadFromPeers(entry, isAcceptable, deadline, Date.now)).toEqual({
      list: OLD,
      isAcceptable: false,
    });
    expect(Date.now()).toBeGreaterThanOrEqual(deadline);
  });
});
