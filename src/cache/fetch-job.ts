import type { KeylaneError } from "../http/errors.ts";
import type { SharedList } from "../storage/shared-store.ts";
import type { CacheKey, StoredList } from "../storage/store.ts";

/** What a flight is to bring, and for whom. */
export interface Errand {
  readonly key: CacheKey;
  /** The same list as the neighbours have it, where there are any. */
  readonly shared: SharedList | undefined;
  /** Whether a neighbour's list will do; left out where upstream is to be asked in any case. */
  readonly isEnough: ((list: StoredList) => boolean) | undefined;
  /** Asks upstream once. Throws an UpstreamFailure when there is no good list. */
  readonly ask: (isKnown: boolean, signal: AbortSignal) => Promise<StoredList>;
  /** Keeps the runtime awake for work that outlives the request. */
  readonly waitUntil: (work: Promise<unknown>) => void;
  /** Names the caller in the log. */
  readonly caller: string;
  readonly isStored: boolean;
  /** An answer to this question is held already: upstream knows this key. */
  readonly isKnown: boolean;
}

/** What a flight brought: shared by all who waited, so bytes or an error, never a Response. */
export type Landing =
  | { readonly list: StoredList; readonly from: "upstream" | "neighbour"; readonly isStored: boolean }
  | { readonly error: KeylaneError };
