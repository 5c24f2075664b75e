// What the page's modules hand each other. It is of no use to a browser, and not among the files of the page.

/** A model as the page shows it. What is missing in a row or of a wrong kind is undefined here, and never a guess. */
export interface Model {
  readonly id: string;
  readonly name: string;
  readonly owner: string;
  /** Tokens. */
  readonly context: number | undefined;
  /** Tokens. */
  readonly output: number | undefined;
  /** Dollars per million tokens in. */
  readonly promptPrice: number | undefined;
  /** Dollars per million tokens out. */
  readonly completionPrice: number | undefined;
  /** In the order of ABILITIES. */
  readonly abilities: readonly string[];
  /** In the subscription. */
  readonly included: boolean | undefined;
  /** What a search looks into, in lower case. */
  readonly sought: string;
}

export type Column = Exclude<keyof Model, "sought">;

/** What of a list is shown, and in which order. */
export interface Selection {
  readonly search: string;
  /** All of which a model has to have. */
  readonly abilities: readonly string[];
  readonly subscription: "any" | "included" | "extra";
  /** Per million tokens, in and out. */
  readonly maxPrice: number | undefined;
  readonly column: Column;
  readonly isDescending: boolean;
}

/** The members of a Cache-Status field (RFC 9211) as Keylane writes it. */
export interface CacheStatus {
  readonly isHit: boolean;
  /** Seconds of freshness left, negative when stale. */
  readonly ttl: number | undefined;
  /** Why NanoGPT was asked. */
  readonly forwarded: string | undefined;
  readonly isStored: boolean;
  readonly isCollapsed: boolean;
  readonly detail: string | undefined;
}

/** What a person is told of an answer in one look. */
export interface Verdict {
  readonly tone: "good" | "new" | "stale" | "bad";
  readonly word: string;
  readonly sentence: string;
}

/** What a person is told of a failure. */
export interface Trouble {
  readonly title: string;
  readonly text: string;
  /** What was shown of this key must go. */
  readonly isOfKey: boolean;
}

/** What a request of this page came to. Nothing here holds the key. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  /** The Cache-Control that went with it. */
  readonly asked: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Until the last byte. */
  readonly ms: number;
  /** 0 where no answer came. */
  readonly status: number;
  /** Cache-Status as it came. */
  readonly field: string;
  readonly cache: CacheStatus | undefined;
  /** Seconds. */
  readonly age: number | undefined;
  /** Seconds. */
  readonly retryAfter: number | undefined;
  readonly coding: string;
  /** Of the body, coded. */
  readonly wireBytes: number | undefined;
  /** Of the body, decoded. */
  readonly bytes: number | undefined;
  readonly body: unknown;
}

/** What a chunk of a chat's stream brings. */
export interface Piece {
  readonly text: string;
  readonly thought: string;
  /** That the whole reply took. */
  readonly tokens: number | undefined;
  readonly error: unknown;
}

/** A reader of a chat's event stream. Bytes go in as they come, cut anywhere; what they complete comes out. */
export interface ChatReader {
  readonly read: (bytes: Uint8Array<ArrayBuffer>) => readonly Piece[];
}

/** How one tool is pointed at this Keylane: a text to paste, or fields to fill in. */
export interface Tool {
  readonly name: string;
  readonly where: string;
  readonly code?: string;
  /** A field's name in the tool, and what goes in. */
  readonly fields?: readonly (readonly [string, string])[];
}

/** Says something to who cannot see it happen. */
export type Say = (sentence: string) => void;

export interface TableOptions {
  readonly onSort: (column: Column, isDescending: boolean) => void;
  readonly onTry: (model: Model) => void;
  readonly say: Say;
}
