/** Somebody who asks. */
export interface Caller {
  readonly index: number;
  /** How answers and reports name it; no part of its credential. */
  readonly name: string;
  readonly credential: string;
  /** A stranger's key is known to no upstream; a token is signed, and good for one call. */
  readonly kind: "key" | "stranger" | "token";
}

// Keys that are one another's beginning, or differ in case or in their last mark alone.
const KEYS = ["a", "A", "ab", "abc", "b", "B", "a=", "a:1", "a:2", "a.b", "abcd", "0"].map(
  (end) => `sk-nano-test-${end}`,
);
const STRANGERS = ["sk-nano-test-aB", "sk-nano-test-"];
const TOKENS = ["One", "Two"].map((who) => `eyJ0ZXN0Ijox.${who}.c2lnbmF0dXJl`);

const KINDS = [
  ...KEYS.map((credential) => ["key", credential] as const),
  ...STRANGERS.map((credential) => ["stranger", credential] as const),
  ...TOKENS.map((credential) => ["token", credential] as const),
];

export const CALLERS: readonly Caller[] = KINDS.map(([kind, credential], index) => ({
  index,
  name: `caller-${String(index).padStart(2, "0")}`,
  credential,
  kind,
}));

/** What must be in no answer: every credential holds one of these. */
export const SECRET: RegExp = /sk-nano-test|eyJ0ZXN0/i;

/** Finds who a credential belongs to, compared exactly. */
export function callerOf(credential: string | undefined): Caller | undefined {
  return CALLERS.find((caller) => caller.credential === credential);
}

/** Gives the client of that number. */
export function caller(index: number): Caller {
  const found = CALLERS[index];
  if (found === undefined) throw new Error(`Cannot find a caller: there must be one of number ${index}`);
  return found;
}
