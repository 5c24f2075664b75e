import { setTimeout as sleep } from "node:timers/promises";
import type { RemoteStore } from "../../src/storage/store.ts";

/** A whim of a remote store: what it does to one call. */
export type ChaosAction =
  | "right"
  | "fails"
  | "throws"
  | "hangs"
  | "late"
  | "forgets"
  | "garbage"
  | "flipped"
  | "another's";

export const CHAOS_ACTIONS: readonly ChaosAction[] = [
  "right",
  "right",
  "fails",
  "hangs",
  "late",
  "forgets",
  "garbage",
  "flipped",
  "another's",
];

/** A remote store that follows its whims, one call after another; then it is right. */
export function createChaosStore(whims: readonly ChaosAction[]): RemoteStore {
  const kept = new Map<string, Uint8Array>();
  const coming = whims[Symbol.iterator]();

  async function whimsical<T>(right: () => T, wrong: (whim: ChaosAction) => T): Promise<T> {
    const whim = coming.next().value ?? "right";
    if (whim === "right") return right();
    if (whim === "fails") throw new Error("the store fails");
    if (whim === "hangs") return new Promise(() => {});
    if (whim !== "late") return wrong(whim);
    await sleep(80);
    return right();
  }

  function read(whim: ChaosAction, place: string): Uint8Array | undefined {
    const right = kept.get(place);
    if (whim === "garbage") return new Uint8Array(100).fill(7);
    if (whim === "another's") return [...kept.values()].find((bytes) => bytes !== right);
    if (whim !== "flipped" || right === undefined) return undefined;
    const flipped = new Uint8Array(right);
    flipped[flipped.length - 20] = (flipped[flipped.length - 20] ?? 0) ^ 1;
    return flipped;
  }

  const done = (act: () => unknown) =>
    whimsical<void>(
      () => void act(),
      () => {},
    );
  return {
    label: "store",
    read: (fingerprint, name) => {
      const place = `${fingerprint} ${name}`;
      return whimsical(
        () => kept.get(place),
        (whim) => read(whim, place),
      );
    },
    write: (fingerprint, name, bytes) => done(() => kept.set(`${fingerprint} ${name}`, bytes)),
    delete: (fingerprint, name) => done(() => kept.delete(`${fingerprint} ${name}`)),
    purge: (fingerprint) =>
      done(() => [...kept.keys()].filter((place) => place.startsWith(fingerprint)).map((place) => kept.delete(place))),
    tryLock: () =>
      whimsical(
        () => true,
        () => false,
      ),
    unlock: () => done(() => {}),
    subscribe: () => {},
  };
}
