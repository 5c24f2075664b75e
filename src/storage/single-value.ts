import { LRUCache } from "lru-cache";
import type { Fingerprint } from "../http/credential.ts";
import { sealedAt } from "./encryption.ts";
import { MAX_VARIANTS, type RemoteStore } from "./store.ts";
import { concat } from "../async/bytes.ts";

/** A store outside the process that holds one value for each fingerprint. It may be slow, forgetful and late to know. */
export interface KeyValueStore {
  get(fingerprint: Fingerprint): Promise<Uint8Array | undefined>;
  put(fingerprint: Fingerprint, bytes: Uint8Array<ArrayBuffer>, retentionMs: number): Promise<void>;
  delete(fingerprint: Fingerprint): Promise<void>;
}

export interface SingleValueSettings {
  /** Most that one fingerprint's lists may take together: the oldest go. */
  readonly maxBytes: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Keeps the runtime awake for work that outlives the request. */
  readonly waitUntil: (work: Promise<unknown>) => void;
}

/**
 * Makes a vault of a single-value store. All lists of a fingerprint are one value, so that a purge is one delete and
 * cannot miss a list. Of two isolates that write it at once one may lose its list: a miss. What this isolate removes
 * stays removed; a write elsewhere that had begun before may bring back what it read, for as long as that lives.
 * Nobody can claim anything here, and nobody is told of a purge.
 */
export function createSingleValueStore(
  single: KeyValueStore,
  { maxBytes, now, waitUntil }: SingleValueSettings,
): RemoteStore {
  const removals = new LRUCache<Fingerprint, object>({ max: MAX_REMOVALS });

  async function held(fingerprint: Fingerprint): Promise<readonly Bundled[]> {
    const bytes = await single.get(fingerprint);
    if (bytes === undefined) return [];
    const lists = unbundled(bytes);
    if (lists === undefined) waitUntil(single.delete(fingerprint).catch(() => {}));
    return (lists ?? []).filter(({ expiresAt }) => expiresAt > now());
  }

  async function change(fingerprint: Fingerprint, changed: Change): Promise<void> {
    const last = removals.get(fingerprint);
    const isRemoved = () => removals.get(fingerprint) !== last;
    const before = await held(fingerprint);
    const after = changed(before);
    if (isRemoved() || after === before) return;
    const retentionMs = Math.max(...after.map(({ expiresAt }) => expiresAt)) - now();
    if (retentionMs > 0) await single.put(fingerprint, bundle(after), retentionMs);
    else await single.delete(fingerprint);
    // The removal may have been carried out before the put was.
    if (isRemoved()) await single.delete(fingerprint);
  }

  // Whoever waits for a slow store gives up; the work itself is still to be done.
  function outliving(work: Promise<void>): Promise<void> {
    waitUntil(work.catch(() => {}));
    return work;
  }

  return {
    writeMs: WRITE_MS,
    async read(fingerprint, name) {
      return (await held(fingerprint)).find((list) => list.name === name)?.bytes;
    },
    write(fingerprint, name, bytes, retentionMs) {
      const list = { name, bytes, expiresAt: Math.ceil(now() + retentionMs) };
      return outliving(
        change(fingerprint, (lists) => newest([list, ...lists.filter((one) => one.name !== name)], maxBytes)),
      );
    },
    delete(fingerprint, name) {
      removals.set(fingerprint, {});
      const without: Change = (lists) =>
        lists.some((one) => one.name === name) ? lists.filter((one) => one.name !== name) : lists;
      return outliving(change(fingerprint, without));
    },
    purge(fingerprint) {
      removals.set(fingerprint, {});
      return outliving(single.delete(fingerprint));
    },
    tryLock: () => Promise.resolve(true),
    unlock: () => Promise.resolve(),
    subscribe: () => {},
  };
}

interface Bundled {
  readonly name: string;
  readonly expiresAt: number;
  readonly bytes: Uint8Array;
}

type Change = (lists: readonly Bundled[]) => readonly Bundled[];

const MAX_REMOVALS = 1000;
// KV writes to a distant centre, after the answer.
const WRITE_MS = 5000;
const HEAD_BYTES = 11;

// The newest come first, so that of two that say the same time the one written later stays.
function newest(lists: readonly Bundled[], maxBytes: number): readonly Bundled[] {
  const byAge = lists.toSorted((a, b) => (sealedAt(b.bytes) ?? 0) - (sealedAt(a.bytes) ?? 0));
  let bytes = 0;
  return byAge.slice(0, MAX_VARIANTS).filter((list) => (bytes += list.bytes.length) <= maxBytes);
}

/** For each list: length of its name 1 · expiresAt 6 · length of its bytes 4 · name · bytes. */
function bundle(lists: readonly Bundled[]): Uint8Array<ArrayBuffer> {
  return concat(
    lists.flatMap(({ name, expiresAt, bytes }) => {
      const encodedName = new TextEncoder().encode(name);
      const head = new DataView(new ArrayBuffer(HEAD_BYTES));
      head.setUint8(0, encodedName.length);
      head.setUint16(1, Math.floor(expiresAt / 2 ** 32));
      head.setUint32(3, expiresAt % 2 ** 32);
      head.setUint32(7, bytes.length);
      return [new Uint8Array(head.buffer), encodedName, bytes];
    }),
  );
}

/** Gives undefined for what is no bundle, or is cut. */
function unbundled(whole: Uint8Array): readonly Bundled[] | undefined {
  const lists: Bundled[] = [];
  const view = new DataView(whole.buffer, whole.byteOffset, whole.length);
  let at = 0;
  while (at + HEAD_BYTES <= whole.length && lists.length < MAX_VARIANTS) {
    const expiresAt = view.getUint16(at + 1) * 2 ** 32 + view.getUint32(at + 3);
    const nameAt = at + HEAD_BYTES;
    const bytesAt = nameAt + view.getUint8(at);
    at = bytesAt + view.getUint32(at + 7);
    const name = new TextDecoder().decode(whole.subarray(nameAt, bytesAt));
    lists.push({ name, expiresAt, bytes: whole.subarray(bytesAt, at) });
  }
  return at === whole.length && lists.length > 0 ? lists : undefined;
}
