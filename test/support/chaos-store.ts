import { setTimeout as sleep } from "node:timers/promises";
import type { RemoteStore } from "../../src/storage/store.ts";

/** What a chaos store does to one call. "lost": the call has no effect, or reads nothing. */
export type ChaosAction = "none" | "error" | "hang" | "delay" | "lost" | "garbage" | "bit flip" | "other list";

/** "none" is there twice, so that more calls work. */
export const CHAOS_ACTIONS: readonly ChaosAction[] = [
  "none",
  "none",
  "error",
  "hang",
  "delay",
  "lost",
  "garbage",
  "bit flip",
  "other list",
];

// Longer than the timeout of a call.
const DELAY_MS = 80;

/** A remote store in memory that does one of `actions` to each call, in order; then all calls work. */
export function createChaosStore(actions: readonly ChaosAction[]): RemoteStore {
  const values = new Map<string, Uint8Array>();
  const remaining = actions[Symbol.iterator]();

  async function call<T>(work: () => T, corrupted: (action: ChaosAction) => T): Promise<T> {
    const action = remaining.next().value ?? "none";
    if (action === "error") throw new Error("the store failed");
    if (action === "hang") return new Promise(() => {});
    if (action === "delay") await sleep(DELAY_MS);
    return action === "none" || action === "delay" ? work() : corrupted(action);
  }

  function corruptedValue(action: ChaosAction, key: string): Uint8Array | undefined {
    const value = values.get(key);
    if (action === "garbage") return new Uint8Array(100).fill(7);
    if (action === "other list") return [...values.values()].find((bytes) => bytes !== value);
    if (action !== "bit flip" || value === undefined) return undefined;
    const flipped = new Uint8Array(value);
    flipped[flipped.length - 20] = (flipped[flipped.length - 20] ?? 0) ^ 1;
    return flipped;
  }

  const write = (work: () => unknown) =>
    call<void>(
      () => void work(),
      () => {},
    );
  return {
    label: "store",
    read: (fingerprint, name) => {
      const key = `${fingerprint} ${name}`;
      return call(
        () => values.get(key),
        (action) => corruptedValue(action, key),
      );
    },
    write: (fingerprint, name, bytes) => write(() => values.set(`${fingerprint} ${name}`, bytes)),
    delete: (fingerprint, name) => write(() => values.delete(`${fingerprint} ${name}`)),
    purge: (fingerprint) =>
      write(() => [...values.keys()].filter((key) => key.startsWith(fingerprint)).map((key) => values.delete(key))),
    tryLock: () =>
      call(
        () => true,
        () => false,
      ),
    unlock: () => write(() => {}),
    subscribe: () => {},
  };
}
