import type { ApiError } from "../http/errors.ts";
import type { SharedEntry } from "../storage/shared-store.ts";
import type { CacheKey, StoredList } from "../storage/store.ts";

/** What a flight is to bring, and for whom. */
export interface FetchJob {
  readonly key: CacheKey;
  /** The same list as the neighbours have it, where there are any. */
  readonly shared: SharedEntry | undefined;
  /** Whether a neighbour's list will do; left out where upstream is to be asked in any case. */
  readonly isAcceptable: ((list: StoredList) => boolean) | undefined;
  /** Asks upstream once. Throws an UpstreamFailure when there is no good list. */
  readonly fetchList: (isKnown: boolean, signal: AbortSignal) => Promise<StoredList>;
  /** Keeps the runtime awake for work that outlives the request. */
  readonly waitUntil: (work: Promise<unknown>) => void;
  /** Names the caller in the log. */
  readonly caller: string;
  readonly isStored: boolean;
  /** An answer to this question is held already: upstream knows this key. */
  readonly hasStoredList: boolean;
}

/** What a flight brought: shared by all who waited, so bytes or an error, never a Response. */
export type FetchResult =
  | { readonly list: StoredList; readonly from: "upstream" | "neighbour"; readonly isStored: boolean }
  | { readonly error: ApiError };
