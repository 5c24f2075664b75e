import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { RemoteStore } from "../../src/storage/store.ts";
import { POLL } from "./stale-setup.ts";

/** A backend for remote stores, started for one test. */
export interface StoreBackend {
  /** Connects one more process to it, and gives that process's remote store when it works. */
  open(): Promise<RemoteStore>;
}

/** What some remote stores guarantee and others do not. */
export interface StoreGuarantees {
  /** The shortest retention that the store observes. */
  readonly minRetentionMs: number;
  /** Of simultaneous attempts to take a lock one succeeds. */
  readonly locksAreExclusive: boolean;
  /** Peers receive every purge. */
  readonly purgesAreAnnounced: boolean;
  /** A write of bytes that were sealed before a purge has no effect after it. */
  readonly lateWritesAreRejected: boolean;
}

const LONG_MS = 600_000;
const ALICE = "a1".repeat(32);
const BOB = "b2".repeat(32);

/** Defines the tests that every RemoteStore must pass. `start` gives an empty backend. */
export function remoteStoreContract(
  name: string,
  start: () => Promise<StoreBackend>,
  guarantees: StoreGuarantees,
): void {
  const open = async () => (await start()).open();

  describe(`${name} as a remote store`, () => {
    test("gives bytes back unchanged, also to a peer", async () => {
      const backend = await start();
      const [own, peer] = [await backend.open(), await backend.open()];
      const every = sealedAt(
        5,
        Uint8Array.from({ length: 256 }, (_, index) => index),
      );
      const large = sealedAt(5, randomBytes(400_000));
      await own.write(ALICE, "every", every, LONG_MS);
      await own.write(ALICE, "large", large, LONG_MS);
      expect(await own.read(ALICE, "every").then(plain)).toEqual(plain(every));
      expect(await peer.read(ALICE, "every").then(plain)).toEqual(plain(every));
      expect(Buffer.compare(large, (await peer.read(ALICE, "large")) ?? new Uint8Array())).toBe(0);
    });

    test("is empty until something is written", async () => {
      const remoteStore = await open();
      await remoteStore.delete(ALICE, "list");
      await remoteStore.purge(ALICE, 1);
      await remoteStore.unlock(ALICE, "list");
      expect(await remoteStore.read(ALICE, "list")).toBeUndefined();
    });

    test("stores the last of several writes, whole", async () => {
      const remoteStore = await open();
      const values = Array.from({ length: 10 }, (_, index) => sealedAt(index, randomBytes(20_000)));
      await Promise.all(values.map((value) => remoteStore.write(ALICE, "list", value, LONG_MS)));
      const stored = await remoteStore.read(ALICE, "list");
      expect(values.some((value) => Buffer.compare(value, stored ?? new Uint8Array()) === 0)).toBe(true);
      await remoteStore.write(ALICE, "list", sealedAt(99), LONG_MS);
      expect(await remoteStore.read(ALICE, "list").then(plain)).toEqual(plain(sealedAt(99)));
    });

    test("mixes neither fingerprints nor names", async () => {
      const remoteStore = await open();
      const keys = [
        [ALICE, "list"],
        [ALICE, "LIST"],
        [ALICE, "li_-st"],
        [ALICE, "lis"],
        [BOB, "list"],
        [`${ALICE}0`, "list"],
      ] as const;
      for (const [index, [fingerprint, name]] of keys.entries())
        await remoteStore.write(fingerprint, name, sealedAt(index), LONG_MS);
      for (const [index, [fingerprint, name]] of keys.entries()) {
        expect(await remoteStore.read(fingerprint, name).then(plain)).toEqual(plain(sealedAt(index)));
      }
    });

    test("deletes one list and no other", async () => {
      const remoteStore = await open();
      for (const [fingerprint, name] of [
        [ALICE, "one"],
        [ALICE, "two"],
        [BOB, "one"],
      ] as const) {
        await remoteStore.write(fingerprint, name, sealedAt(1), LONG_MS);
      }
      await remoteStore.delete(ALICE, "one");
      expect(await remoteStore.read(ALICE, "one")).toBeUndefined();
      expect(await remoteStore.read(ALICE, "two")).toBeDefined();
      expect(await remoteStore.read(BOB, "one")).toBeDefined();
    });

    test("purges all lists of a fingerprint, whichever process wrote them, and no other fingerprint's", async () => {
      const backend = await start();
      const [own, peer] = [await backend.open(), await backend.open()];
      for (const name of ["one", "two", "three"]) await peer.write(ALICE, name, sealedAt(1), LONG_MS);
      await peer.write(BOB, "one", sealedAt(1), LONG_MS);
      await own.purge(ALICE, 2);
      for (const name of ["one", "two", "three"]) {
        expect(await own.read(ALICE, name)).toBeUndefined();
        expect(await peer.read(ALICE, name)).toBeUndefined();
      }
      expect(await own.read(BOB, "one")).toBeDefined();
      await own.write(ALICE, "one", sealedAt(3), LONG_MS);
      expect(await peer.read(ALICE, "one").then(plain)).toEqual(plain(sealedAt(3)));
    });

    test("stores eight lists of a fingerprint: a further one evicts the oldest of them", async () => {
      const remoteStore = await open();
      await remoteStore.write(BOB, "list", sealedAt(0), LONG_MS);
      // The oldest is the one that was sealed first, not the one that was written first.
      const times = [50, 40, 10, 60, 20, 70, 30, 80, 90, 95];
      for (const at of times) await remoteStore.write(ALICE, `list-${at}`, sealedAt(at), LONG_MS);
      const values = await Promise.all(times.map((at) => remoteStore.read(ALICE, `list-${at}`)));
      expect(times.filter((_, index) => values[index] !== undefined)).toEqual(times.filter((at) => at > 20));
      expect(await remoteStore.read(BOB, "list")).toBeDefined();
    });

    test("removes a list after its retention", { timeout: guarantees.minRetentionMs + 20_000 }, async () => {
      const remoteStore = await open();
      await remoteStore.write(ALICE, "list", sealedAt(1), guarantees.minRetentionMs);
      expect(await remoteStore.read(ALICE, "list")).toBeDefined();
      await expect
        .poll(() => remoteStore.read(ALICE, "list"), {
          timeout: guarantees.minRetentionMs + 10_000,
          interval: 50,
        })
        .toBeUndefined();
    });

    test("gives a lock again after it was unlocked, and after it expired", async () => {
      const remoteStore = await open();
      expect(await remoteStore.tryLock(ALICE, "list", LONG_MS)).toBe(true);
      await remoteStore.unlock(ALICE, "list");
      expect(await remoteStore.tryLock(ALICE, "list", 100.5)).toBe(true);
      await expect.poll(() => remoteStore.tryLock(ALICE, "list", LONG_MS), POLL).toBe(true);
    });

    if (guarantees.locksAreExclusive)
      test("gives a lock to one process only", async () => {
        const backend = await start();
        const [own, peer] = [await backend.open(), await backend.open()];
        const locks = await Promise.all(
          Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? own : peer).tryLock(ALICE, "list", LONG_MS)),
        );
        expect(locks.filter((isTaken) => isTaken)).toHaveLength(1);
        expect(await own.tryLock(ALICE, "other", LONG_MS)).toBe(true);
        expect(await own.tryLock(BOB, "list", LONG_MS)).toBe(true);
      });

    if (guarantees.purgesAreAnnounced)
      test("announces a purge to the peers, and not to the process that purged", async () => {
        const backend = await start();
        const [own, peer] = [await backend.open(), await backend.open()];
        const received: string[] = [];
        const subscribe = (store: RemoteStore, process: string) =>
          store.subscribe({
            fingerprints: () => [],
            onReady: () => {},
            invalidate: (fingerprint) => void received.push(`${process} ${fingerprint}`),
          });
        subscribe(own, "own");
        subscribe(peer, "peer");
        await expect.poll(() => own.purge(ALICE, 1).then(() => received.length), POLL).toBeGreaterThan(0);
        await own.purge(BOB, 1);
        await expect.poll(() => received, POLL).toContain(`peer ${BOB}`);
        expect(new Set(received)).toEqual(new Set([`peer ${ALICE}`, `peer ${BOB}`]));
      });

    if (guarantees.lateWritesAreRejected)
      test("does not give back what is older than a purge", async () => {
        const backend = await start();
        const [own, peer] = [await backend.open(), await backend.open()];
        await own.purge(ALICE, 1000);
        await peer.write(ALICE, "late", sealedAt(1000), LONG_MS);
        await peer.write(ALICE, "new", sealedAt(1001), LONG_MS);
        expect((await own.read(ALICE, "late")) ?? new Uint8Array()).toHaveLength(0);
        expect(await own.read(ALICE, "new")).toBeDefined();
        // A purge that arrives after a later one does not replace it.
        await peer.purge(ALICE, 900);
        await peer.write(ALICE, "new", sealedAt(1002), LONG_MS, 1000);
        expect(await own.read(ALICE, "new")).toBeUndefined();
      });
  });
}

/** Bytes that begin as a sealed list does: with its format and `storedAt`. */
function sealedAt(storedAt: number, content: Uint8Array = new Uint8Array(44)): Uint8Array {
  const head = Buffer.alloc(19);
  head.writeUInt8(1, 0);
  head.writeUIntBE(storedAt, 1, 6);
  return Buffer.concat([head, content]);
}

/** As an array, for comparison with `toEqual` whatever the class of the bytes. */
const plain = (bytes: Uint8Array | undefined): number[] | undefined => bytes && [...bytes];
