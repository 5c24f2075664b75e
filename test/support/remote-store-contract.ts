import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { POLL } from "./stale-setup.ts";
import {
  ALICE,
  BOB,
  LONG,
  plain,
  sealedAt,
  remoteStoreGuarantees,
  type StorePlace,
  type StoreGuarantees,
} from "./remote-store-guarantees.ts";

/** The contract of a RemoteStore, for every store of sealed lists outside the process. */
export function remoteStoreContract(name: string, start: () => Promise<StorePlace>, promises: StoreGuarantees): void {
  const open = async () => (await start()).open();

  describe(`${name} as a remote store`, () => {
    test("gives bytes back as they were, also to a peer", async () => {
      const place = await start();
      const [own, peer] = [await place.open(), await place.open()];
      const every = sealedAt(
        5,
        Uint8Array.from({ length: 256 }, (_, index) => index),
      );
      const large = sealedAt(5, randomBytes(400_000));
      await own.write(ALICE, "every", every, LONG);
      await own.write(ALICE, "large", large, LONG);
      expect(await own.read(ALICE, "every").then(plain)).toEqual(plain(every));
      expect(await peer.read(ALICE, "every").then(plain)).toEqual(plain(every));
      expect(Buffer.compare(large, (await peer.read(ALICE, "large")) ?? new Uint8Array())).toBe(0);
    });

    test("has nothing that was not written", async () => {
      const remoteStore = await open();
      await remoteStore.delete(ALICE, "list");
      await remoteStore.purge(ALICE, 1);
      await remoteStore.unlock(ALICE, "list");
      expect(await remoteStore.read(ALICE, "list")).toBeUndefined();
    });

    test("keeps what was written last, whole", async () => {
      const remoteStore = await open();
      const values = Array.from({ length: 10 }, (_, index) => sealedAt(index, randomBytes(20_000)));
      await Promise.all(values.map((value) => remoteStore.write(ALICE, "list", value, LONG)));
      const kept = await remoteStore.read(ALICE, "list");
      expect(values.some((value) => Buffer.compare(value, kept ?? new Uint8Array()) === 0)).toBe(true);
      await remoteStore.write(ALICE, "list", sealedAt(99), LONG);
      expect(await remoteStore.read(ALICE, "list").then(plain)).toEqual(plain(sealedAt(99)));
    });

    test("mixes neither fingerprints nor names", async () => {
      const remoteStore = await open();
      const places = [
        [ALICE, "list"],
        [ALICE, "LIST"],
        [ALICE, "li_-st"],
        [ALICE, "lis"],
        [BOB, "list"],
        [`${ALICE}0`, "list"],
      ] as const;
      for (const [index, [who, name]] of places.entries()) await remoteStore.write(who, name, sealedAt(index), LONG);
      for (const [index, [who, name]] of places.entries()) {
        expect(await remoteStore.read(who, name).then(plain)).toEqual(plain(sealedAt(index)));
      }
    });

    test("deletes one list alone", async () => {
      const remoteStore = await open();
      for (const [who, name] of [
        [ALICE, "one"],
        [ALICE, "two"],
        [BOB, "one"],
      ] as const) {
        await remoteStore.write(who, name, sealedAt(1), LONG);
      }
      await remoteStore.delete(ALICE, "one");
      expect(await remoteStore.read(ALICE, "one")).toBeUndefined();
      expect(await remoteStore.read(ALICE, "two")).toBeDefined();
      expect(await remoteStore.read(BOB, "one")).toBeDefined();
    });

    test("purges all lists of a fingerprint, also those written by others, and no other fingerprint's", async () => {
      const place = await start();
      const [own, peer] = [await place.open(), await place.open()];
      for (const name of ["one", "two", "three"]) await peer.write(ALICE, name, sealedAt(1), LONG);
      await peer.write(BOB, "one", sealedAt(1), LONG);
      await own.purge(ALICE, 2);
      for (const name of ["one", "two", "three"]) {
        expect(await own.read(ALICE, name)).toBeUndefined();
        expect(await peer.read(ALICE, name)).toBeUndefined();
      }
      expect(await own.read(BOB, "one")).toBeDefined();
      await own.write(ALICE, "one", sealedAt(3), LONG);
      expect(await peer.read(ALICE, "one").then(plain)).toEqual(plain(sealedAt(3)));
    });

    test("holds eight lists of a fingerprint: a further one puts out its own oldest", async () => {
      const remoteStore = await open();
      await remoteStore.write(BOB, "list", sealedAt(0), LONG);
      // The oldest is the one that was sealed first, not the one that was written first.
      const ages = [50, 40, 10, 60, 20, 70, 30, 80, 90, 95];
      for (const at of ages) await remoteStore.write(ALICE, `list-${at}`, sealedAt(at), LONG);
      const left = await Promise.all(
        ages.map(async (at) => [at, await remoteStore.read(ALICE, `list-${at}`)] as const),
      );
      const kept = left.filter(([, bytes]) => bytes !== undefined).map(([at]) => at);
      expect(kept).toEqual(ages.filter((at) => at > 20));
      expect(await remoteStore.read(BOB, "list")).toBeDefined();
    });

    test("lets a list go when its time is over", { timeout: promises.leastRetentionMs + 20_000 }, async () => {
      const remoteStore = await open();
      await remoteStore.write(ALICE, "list", sealedAt(1), promises.leastRetentionMs);
      expect(await remoteStore.read(ALICE, "list")).toBeDefined();
      await expect
        .poll(() => remoteStore.read(ALICE, "list"), {
          timeout: promises.leastRetentionMs + 10_000,
          interval: 50,
        })
        .toBeUndefined();
    });

    test("gives a claim back when it is released, and when its time is over", async () => {
      const remoteStore = await open();
      expect(await remoteStore.tryLock(ALICE, "list", LONG)).toBe(true);
      await remoteStore.unlock(ALICE, "list");
      expect(await remoteStore.tryLock(ALICE, "list", 100.5)).toBe(true);
      await expect.poll(() => remoteStore.tryLock(ALICE, "list", LONG), POLL).toBe(true);
    });

    remoteStoreGuarantees(start, promises);
  });
}
