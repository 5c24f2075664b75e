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

/** What the peers have at each look, the last for ever, and whose turn it is at each claim. */
function peers(looks: readonly (StoredList | undefined)[], claims: readonly boolean[]) {
  const did: string[] = [];
  let [looked, claimed] = [0, 0];
  const own: SharedEntry = {
    get: async () => {
      did.push("look");
      return looks[Math.min(looked++, looks.length - 1)];
    },
    tryLock: async () => {
      did.push("claim");
      return claims[Math.min(claimed++, claims.length - 1)] ?? false;
    },
    unlock: async () => void did.push("release"),
    set: async () => void did.push("keep"),
    delete: async () => void did.push("forget"),
    purge: async () => void did.push("purge"),
  };
  return { own, did };
}

const HOUR_MS = 3_600_000;
const inTime = () => Date.now() + HOUR_MS;

describe("who asks the peers", () => {
  test("is content with a list that is enough, and claims nothing", async () => {
    const { own, did } = peers([NEW], []);
    expect(await loadFromPeers(own, isAcceptable, inTime(), Date.now)).toEqual({
      list: NEW,
      isAcceptable: true,
    });
    expect(did).toEqual(["look"]);
  });

  test.for([undefined, OLD])("has to ask upstream where the claim is its: %o", async (list) => {
    const { own, did } = peers([list], [true]);
    expect(await loadFromPeers(own, isAcceptable, inTime(), Date.now)).toEqual({ list, isAcceptable: false });
    expect(did.toSorted()).toEqual(["claim", "look", "look"]);
  });

  // Else upstream would be asked twice whenever a peer is done just between the look and the claim.
  test("has not to ask what was answered between its look and its claim, which it lets go", async () => {
    const { own, did } = peers([undefined, NEW], [true]);
    expect(await loadFromPeers(own, isAcceptable, inTime(), Date.now)).toEqual({
      list: NEW,
      isAcceptable: true,
    });
    expect(did).toEqual(["look", "claim", "look", "release"]);
  });

  test("waits for a peer who asks, and lets go of no claim that is not its", async () => {
    const { own, did } = peers([undefined, undefined, undefined, NEW], [false]);
    expect(await loadFromPeers(own, isAcceptable, inTime(), Date.now)).toEqual({
      list: NEW,
      isAcceptable: true,
    });
    expect(did).not.toContain("release");
  });

  test("takes over where the peer has given up", async () => {
    const { own } = peers([OLD], [false, false, true]);
    expect(await loadFromPeers(own, isAcceptable, inTime(), Date.now)).toEqual({
      list: OLD,
      isAcceptable: false,
    });
  });

  test("waits no longer than it has time, and has what may be fallen back on", async () => {
    const { own } = peers([OLD], [false]);
    const deadline = Date.now() + 250;
    expect(await loadFromPeers(own, isAcceptable, deadline, Date.now)).toEqual({
      list: OLD,
      isAcceptable: false,
    });
    expect(Date.now()).toBeGreaterThanOrEqual(deadline);
  });
});
