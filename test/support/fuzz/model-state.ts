import type { UpstreamRecord } from "./record.ts";

/** What clients have received so far. Numbers are positions in the trace. */
export interface ModelState {
  /** Every validator given: to whom, for which question, and the text it stood for where that was seen. */
  readonly etags: Map<string, { readonly owner: string; text: string | undefined }>;
  /** The last validator given for a view. */
  readonly lastEtag: Map<string, string>;
  /** When the first client had read an answer of that serial. */
  readonly firstSeen: Map<number, number>;
  /** Whether an answer was delivered as one that may be stored. */
  readonly isStored: Map<number, boolean>;
  readonly advances: Span[];
  readonly purges: ByName<Span, number>;
  /** The 401s that a key has received. */
  readonly revocations: ByName<NegativeState, number>;
  /** The 403s and 404s, by client and question. */
  readonly rejections: ByName<NegativeState, string>;
}

type ByName<T, Name> = (name: Name) => T[];

export interface Span {
  readonly begun: number;
  /** Infinite as long as it lasts. */
  ended: number;
  readonly ms: number;
}

export interface NegativeState {
  /** When it had been read. */
  readonly seen: number;
  readonly record: UpstreamRecord;
}

export function emptyModelState(): ModelState {
  return {
    etags: new Map(),
    lastEtag: new Map(),
    firstSeen: new Map(),
    isStored: new Map(),
    advances: [],
    purges: lists(),
    revocations: lists(),
    rejections: lists(),
  };
}

function lists<T>(): ByName<T, string | number> {
  const all = new Map<string | number, T[]>();
  return (name) => {
    const found = all.get(name) ?? [];
    all.set(name, found);
    return found;
  };
}
