import { expect, test } from "vitest";
import type { RemoteStore } from "../../src/storage/store.ts";
import { POLL } from "./stale-setup.ts";

/** A place for sealed lists, made for one test. */
export interface StorePlace {
  /** Gives the remote store as one more process sees it, when it works. */
  open(): Promise<RemoteStore>;
}

/** What not every remote store can promise. */
export interface StoreGuarantees {
  /** The shortest retention that it keeps to. */
  readonly leastRetentionMs: number;
  /** Claims made at the same moment are given to one alone. */
  readonly claimsAreExclusive: boolean;
  /** Peers hear of a purge. */
  readonly purgesAreHeard: boolean;
  /** What was sealed before a purge and is written after it is not given back. */
  readonly lateWritesAreRefused: boolean;
}

export const LONG = 600_000;
export const ALICE: string = "a1".repeat(32);
export const BOB: string = "b2".repeat(32);

/** What some remote stores promise beside the contract. */
export function remoteStoreGuarantees(start: () => Promise<StorePlace>, promises: StoreGuarantees): void {
  if (promises.claimsAreExclusive)
    test("gives a claim to one alone", async () => {
      const place = await start();
      const [own, peer] = [await place.open(), await place.open()];
      const claims = await Promise.all(
        Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? own : peer).tryLock(ALICE, "list", LONG)),
      );
      expect(claims.filter((isGiven) => isGiven)).toHaveLength(1);
      expect(await own.tryLock(ALICE, "other", LONG)).toBe(true);
      expect(await own.tryLock(BOB, "list", LONG)).toBe(true);
    });

  if (promises.purgesAreHeard)
    test("tells the peers of a purge, and not oneself", async () => {
      const place = await start();
      const [own, peer] = [await place.open(), await place.open()];
      const heard: string[] = [];
      own.subscribe({
        fingerprints: nobody,
        onReady: () => {},
        invalidate: (who) => void heard.push(`own ${who}`),
      });
      peer.subscribe({
        fingerprints: nobody,
        onReady: () => {},
        invalidate: (who) => void heard.push(`peer ${who}`),
      });
      await expect.poll(() => own.purge(ALICE, 1).then(() => heard.length), POLL).toBeGreaterThan(0);
      await own.purge(BOB, 1);
      await expect.poll(() => heard, POLL).toContain(`peer ${BOB}`);
      expect(new Set(heard)).toEqual(new Set([`peer ${ALICE}`, `peer ${BOB}`]));
    });

  if (promises.lateWritesAreRefused)
    test("does not believe what is older than a purge", async () => {
      const place = await start();
      const [own, peer] = [await place.open(), await place.open()];
      await own.purge(ALICE, 1000);
      await peer.write(ALICE, "late", sealedAt(1000), LONG);
      await peer.write(ALICE, "new", sealedAt(1001), LONG);
      expect((await own.read(ALICE, "late")) ?? new Uint8Array()).toHaveLength(0);
      expect(await own.read(ALICE, "new")).toBeDefined();
      // A purge that is carried out late, after a later one, takes nothing from that.
      await peer.purge(ALICE, 900);
      await peer.write(ALICE, "new", sealedAt(1002), LONG, 1000);
      expect(await own.read(ALICE, "new")).toBeUndefined();
    });
}

/** Bytes that begin as a sealed list does: format, and when it was stored. */
export function sealedAt(storedAt: number, content: Uint8Array = new Uint8Array(44)): Uint8Array {
  const head = Buffer.alloc(19);
  head.writeUInt8(1, 0);
  head.writeUIntBE(storedAt, 1, 6);
  return Buffer.concat([head, content]);
}
export const plain = (bytes: Uint8Array | undefined): number[] | undefined => bytes && [...bytes];

const nobody = (): string[] => [];
