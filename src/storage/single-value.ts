import { LRUCache } from "lru-cache";
import { concat } from "../async/bytes.ts";
import type { Fingerprint } from "../http/credential.ts";
import type { Clock } from "../http/freshness.ts";
import { sealedAt } from "./encryption.ts";
import { MAX_VARIANTS, type RemoteStore } from "./store.ts";

/** A store outside the process with one value per fingerprint. It may be slow, lose values and serve old ones. */
export interface KeyValueStore {
  /** Its name in log messages. */
  readonly label: string;
  get(fingerprint: Fingerprint): Promise<Uint8Array | undefined>;
  put(fingerprint: Fingerprint, bytes: Uint8Array<ArrayBuffer>, retentionMs: number): Promise<void>;
  delete(fingerprint: Fingerprint): Promise<void>;
}

export interface SingleValueSettings {
  /** Limit for all lists of one fingerprint together; the oldest are dropped. */
  readonly maxBytes: number;
  readonly now: Clock;
  /** Keeps the runtime running for work that outlives the request. */
  readonly waitUntil: (work: Promise<unknown>) => void;
}

/**
 * Makes a remote store of a key-value store. All lists of a fingerprint are one value, so that a purge is one delete
 * and cannot miss a list. When two isolates write that value at once, one list may be lost, which is a miss. No write
 * of this isolate restores a list that it has removed; a write that began in another isolate may, until that list
 * expires. There are no locks, and purges are not announced.
 */
export function createSingleValueStore(
  values: KeyValueStore,
  { maxBytes, now, waitUntil }: SingleValueSettings,
): RemoteStore {
  const removals = new LRUCache<Fingerprint, object>({ max: MAX_REMOVALS });

  async function load(fingerprint: Fingerprint): Promise<readonly Entry[]> {
    const bytes = await values.get(fingerprint);
    if (bytes === undefined) return [];
    const lists = parse(bytes);
    if (lists === undefined) waitUntil(values.delete(fingerprint).catch(() => {}));
    return (lists ?? []).filter(({ expiresAt }) => expiresAt > now());
  }

  async function update(fingerprint: Fingerprint, change: Change): Promise<void> {
    const lastRemoval = removals.get(fingerprint);
    const isRemoved = () => removals.get(fingerprint) !== lastRemoval;
    const before = await load(fingerprint);
    const after = change(before);
    if (isRemoved() || after === before) return;
    const retentionMs = Math.max(...after.map(({ expiresAt }) => expiresAt)) - now();
    if (retentionMs > 0) await values.put(fingerprint, serialize(after), retentionMs);
    else await values.delete(fingerprint);
    // The removal may have reached the store before the put.
    if (isRemoved()) await values.delete(fingerprint);
  }

  // The request may stop waiting for a slow store; the work continues.
  function inBackground(work: Promise<void>): Promise<void> {
    waitUntil(work.catch(() => {}));
    return work;
  }

  return {
    label: values.label,
    writeMs: WRITE_MS,
    async read(fingerprint, name) {
      return (await load(fingerprint)).find((list) => list.name === name)?.bytes;
    },
    write(fingerprint, name, bytes, retentionMs) {
      const list = { name, bytes, expiresAt: Math.ceil(now() + retentionMs) };
      return inBackground(
        update(fingerprint, (lists) => newest([list, ...lists.filter((one) => one.name !== name)], maxBytes)),
      );
    },
    delete(fingerprint, name) {
      removals.set(fingerprint, {});
      const withoutName: Change = (lists) =>
        lists.some((one) => one.name === name) ? lists.filter((one) => one.name !== name) : lists;
      return inBackground(update(fingerprint, withoutName));
    },
    purge(fingerprint) {
      removals.set(fingerprint, {});
      return inBackground(values.delete(fingerprint));
    },
    tryLock: () => Promise.resolve(true),
    unlock: () => Promise.resolve(),
    subscribe: () => {},
  };
}

interface Entry {
  readonly name: string;
  readonly expiresAt: number;
  readonly bytes: Uint8Array;
}

type Change = (lists: readonly Entry[]) => readonly Entry[];

const MAX_REMOVALS = 1000;
// KV writes to a distant data centre, after the response has been sent.
const WRITE_MS = 5000;
const HEAD_BYTES = 11;

// The sort is stable and the newly written list comes first, so it precedes one sealed at the same time.
function newest(lists: readonly Entry[], maxBytes: number): readonly Entry[] {
  const byAge = lists.toSorted((a, b) => (sealedAt(b.bytes) ?? 0) - (sealedAt(a.bytes) ?? 0));
  let bytes = 0;
  return byAge.slice(0, MAX_VARIANTS).filter((list) => (bytes += list.bytes.length) <= maxBytes);
}

/** The format of each list, with sizes in bytes: length of name 1 · expiresAt 6 · length of bytes 4 · name · bytes. */
function serialize(lists: readonly Entry[]): Uint8Array<ArrayBuffer> {
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

/** Gives undefined for truncated bytes, or bytes of another format. */
function parse(whole: Uint8Array): readonly Entry[] | undefined {
  const lists: Entry[] = [];
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
