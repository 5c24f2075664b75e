import type { FetchRecord } from "./record.ts";

/** What clients have received so far. Numbers are positions in the trace. */
export interface ModelState {
  /** Every ETag received: the client and query that it belongs to, and its text once known. */
  readonly etags: Map<string, { readonly owner: string; text: string | undefined }>;
  /** The last ETag received for a view. */
  readonly lastEtag: Map<string, string>;
  /** When a client first received the list of a fetch, by serial. */
  readonly firstReceivedAt: Map<number, number>;
  /** Whether the list of a fetch was delivered as one that is stored, by serial. */
  readonly isStored: Map<number, boolean>;
  readonly advances: Span[];
  readonly purges: Grouped<Span, number>;
  /** The 401s that a client has received. */
  readonly revocations: Grouped<RejectedFetch, number>;
  /** The 403s and 404s, by client and query. */
  readonly rejections: Grouped<RejectedFetch, string>;
}

type Grouped<T, Group> = (group: Group) => T[];

export interface Span {
  readonly begun: number;
  /** Infinite until it ends. */
  ended: number;
  readonly ms: number;
}

export interface RejectedFetch {
  readonly receivedAt: number;
  readonly record: FetchRecord;
}

export function emptyModelState(): ModelState {
  return {
    etags: new Map(),
    lastEtag: new Map(),
    firstReceivedAt: new Map(),
    isStored: new Map(),
    advances: [],
    purges: grouped(),
    revocations: grouped(),
    rejections: grouped(),
  };
}

function grouped<T>(): Grouped<T, string | number> {
  const groups = new Map<string | number, T[]>();
  return (group) => {
    const found = groups.get(group) ?? [];
    groups.set(group, found);
    return found;
  };
}
