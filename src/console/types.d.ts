// Types shared by the page's modules. Only the type checker reads this file: it is not served.

/** A model as the page shows it. A value that is missing in the row or of the wrong type is undefined. */
export interface Model {
  readonly id: string;
  readonly name: string;
  readonly owner: string;
  /** Tokens. */
  readonly context: number | undefined;
  /** Tokens. */
  readonly output: number | undefined;
  /** Dollars per million input tokens. */
  readonly promptPrice: number | undefined;
  /** Dollars per million output tokens. */
  readonly completionPrice: number | undefined;
  /** In the order of ABILITIES. */
  readonly abilities: readonly string[];
  /** Whether the subscription includes the model. */
  readonly included: boolean | undefined;
  /** Name, id, owner and description in lower case, for the search. */
  readonly searchText: string;
}

export type Column = Exclude<keyof Model, "searchText">;

/** The filters and the sort order of the table. */
export interface Selection {
  readonly search: string;
  /** A model must have all of these. */
  readonly abilities: readonly string[];
  readonly subscription: "any" | "included" | "extra";
  /** Dollars per million tokens; applies to input and output. */
  readonly maxPrice: number | undefined;
  readonly column: Column;
  readonly isDescending: boolean;
}

/** The parameters of a Cache-Status header (RFC 9211) as Keylane writes it. */
export interface CacheStatus {
  readonly isHit: boolean;
  /** Seconds of freshness left, negative when stale. */
  readonly ttl: number | undefined;
  /** Why Keylane sent a request to NanoGPT. */
  readonly forwarded: string | undefined;
  readonly isStored: boolean;
  readonly isCollapsed: boolean;
  readonly detail: string | undefined;
}

/** A short statement of where a list came from, shown above it. */
export interface Verdict {
  readonly tone: "good" | "new" | "stale" | "bad";
  readonly label: string;
  readonly sentence: string;
}

/** The message shown for a failure. */
export interface Notice {
  readonly title: string;
  readonly text: string;
  /** The key was rejected: the page removes everything it shows for this key. */
  readonly isKeyRejected: boolean;
}

/** One request of this page and its outcome, without the key. */
export interface RequestRecord {
  readonly method: string;
  readonly path: string;
  /** The Cache-Control that the page chose; empty when it chose none. */
  readonly cacheControl: string;
  /** Milliseconds since the epoch. */
  readonly sentAt: number;
  /** Until the last byte of the response. */
  readonly durationMs: number;
  /** 0 when there was no response. */
  readonly status: number;
  /** The Cache-Status header as received. */
  readonly cacheStatusHeader: string;
  readonly cacheStatus: CacheStatus | undefined;
  readonly ageSeconds: number | undefined;
  readonly retryAfterSeconds: number | undefined;
  /** Content-Encoding, or `identity`. */
  readonly coding: string;
  /** Size of the body as transferred. */
  readonly encodedBytes: number | undefined;
  /** Size of the body when decoded. */
  readonly decodedBytes: number | undefined;
  readonly body: unknown;
}

/** The content of one chat completion chunk. */
export interface ChatDelta {
  readonly text: string;
  readonly reasoning: string;
  /** Tokens of the whole reply, in the chunk that carries `usage`. */
  readonly tokens: number | undefined;
  readonly error: unknown;
}

/** A parser for the event stream of a chat. `read` takes bytes, split anywhere, and returns the deltas they complete. */
export interface ChatReader {
  readonly read: (bytes: Uint8Array<ArrayBuffer>) => readonly ChatDelta[];
}

/** Instructions to use this Keylane in one tool: code to paste, or fields to fill in. */
export interface Tool {
  readonly name: string;
  readonly where: string;
  readonly code?: string;
  /** Pairs of a field's name in the tool and its value. */
  readonly fields?: readonly (readonly [string, string])[];
}

/** Announces a change to users of a screen reader. */
export type Announce = (sentence: string) => void;

export interface TableOptions {
  readonly onSort: (column: Column, isDescending: boolean) => void;
  readonly onTry: (model: Model) => void;
  readonly announce: Announce;
}
