/** A client of the fuzz test, with one credential. */
export interface Client {
  readonly index: number;
  /** Identifies the client in answers and reports; no part of its credential. */
  readonly name: string;
  readonly credential: string;
  /** An unknown key gets 401 from upstream; a token is signed and valid for one call. */
  readonly kind: "key" | "unknown" | "token";
}

// Keys that are prefixes of each other, or differ only in case or in their last character.
const KEYS = ["a", "A", "ab", "abc", "b", "B", "a=", "a:1", "a:2", "a.b", "abcd", "0"].map(
  (end) => `sk-nano-test-${end}`,
);
const UNKNOWN_KEYS = ["sk-nano-test-aB", "sk-nano-test-"];
const TOKENS = ["One", "Two"].map((payload) => `eyJ0ZXN0Ijox.${payload}.c2lnbmF0dXJl`);

const CREDENTIALS = [
  ...KEYS.map((credential) => ["key", credential] as const),
  ...UNKNOWN_KEYS.map((credential) => ["unknown", credential] as const),
  ...TOKENS.map((credential) => ["token", credential] as const),
];

export const CLIENTS: readonly Client[] = CREDENTIALS.map(([kind, credential], index) => ({
  index,
  name: `client-${String(index).padStart(2, "0")}`,
  credential,
  kind,
}));

/** Matches every credential; no answer may contain a match. */
export const SECRET: RegExp = /sk-nano-test|eyJ0ZXN0/i;

/** The client with exactly this credential. */
export function findClient(credential: string | undefined): Client | undefined {
  return CLIENTS.find((client) => client.credential === credential);
}

/** The client at an index; throws if there is none. */
export function clientAt(index: number): Client {
  const client = CLIENTS[index];
  if (client === undefined) throw new Error(`Cannot find a client: there must be one at ${index}`);
  return client;
}
