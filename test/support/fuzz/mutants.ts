/** A bug to insert into Keylane. Each edit replaces a text that its file must contain exactly once. */
export interface Mutant {
  readonly breaks: string;
  readonly edits: readonly Edit[];
}

interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const mutant = (breaks: string, file: string, from: string, to: string): Mutant => ({
  breaks,
  edits: [{ file, from, to }],
});

const fetchJob = (breaks: string, from: string, to: string) => mutant(breaks, "cache/fetch-job.ts", from, to);
const listCache = (breaks: string, from: string, to: string) => mutant(breaks, "cache/list-cache.ts", from, to);
const cacheKey = (breaks: string, from: string, to: string) => mutant(breaks, "cache/cache-key.ts", from, to);
const generations = (breaks: string, from: string, to: string) => mutant(breaks, "cache/generations.ts", from, to);

const PURGE_ON_401 = "        store.purge(key.fingerprint);\n";
const UPDATE_SIZE = "if (variants?.some((one) => one.list === list)) set(key.fingerprint, [...variants]);";
const FETCH_KEY = "${fingerprint} ${variant} ${options";

export const MUTANTS: readonly Mutant[] = [
  cacheKey("the fingerprint is no part of the cache key", "{ fingerprint, variant", '{ fingerprint: "", variant'),
  cacheKey("the variant is no part of the cache key", "`${KEY_VERSION} ${list} ${rest}`", "KEY_VERSION"),
  cacheKey("the list's name is no part of the cache key", "${list} ${rest}", "${rest}"),
  cacheKey("the query is no part of the cache key", "isPlain ? query :", 'isPlain ? "" :'),
  cacheKey("Origin is no part of the cache key", "): CacheKey {", "): CacheKey {\n  origin = undefined;"),

  listCache("a purge ignores fetches in flight", "    generations.advance(fingerprint);\n", ""),
  listCache(
    "a purge keeps the stored lists",
    "generations.advance(fingerprint);\n    store.purge(fingerprint);",
    "generations.advance(fingerprint);",
  ),
  mutant(
    "a purge removes one variant",
    "storage/memory.ts",
    "purge: (fingerprint) => void clients.delete(fingerprint)",
    "purge: (fingerprint) => set(fingerprint, (clients.peek(fingerprint) ?? []).slice(1))",
  ),
  fetchJob(
    "a fetch from before a purge stores its list",
    "generations.current(key.fingerprint) === generation",
    "true",
  ),
  mutant(
    "a removed list is stored again when its size is updated",
    "storage/memory.ts",
    UPDATE_SIZE,
    "set(key.fingerprint, [...others(key), { variant: key.variant, list }]);",
  ),

  mutant(
    "waiting clients get the result of any fetch",
    "cache/single-flight.ts",
    "const known = inFlight.get(key);",
    "const known = inFlight.get(key) ?? inFlight.values().next().value;",
  ),
  listCache("fetches of all keys are shared", FETCH_KEY, "${variant} ${options"),
  listCache("fetches of all lists of a key are shared", FETCH_KEY, "${fingerprint} ${options"),
  listCache("no-store joins other fetches", 'options.isStored ? "" : "no-store"', '""'),

  fetchJob("a 401 keeps the stored lists", PURGE_ON_401, ""),
  fetchJob("a 401 ignores other fetches in flight", "        generations.advance(key.fingerprint, failure);\n", ""),
  generations("a list fetched before a 401 is delivered after it", "revocation.number > generation ?", "false ?"),
  {
    breaks: "a stale list is served on a 401",
    edits: [
      { file: "cache/fetch-job.ts", from: PURGE_ON_401, to: "" },
      { file: "cache/list-cache.ts", from: " || !isTransient(error.body.status)", to: "" },
    ],
  },
  fetchJob("another 4xx keeps the stored list", " else if (isRejected) store.delete(key);", ""),
  mutant(
    "a remembered failure applies to other keys",
    "cache/negative-cache.ts",
    "const byVariant = entries.get(fingerprint);",
    "const byVariant = entries.values().next().value;",
  ),
  mutant(
    "a remembered failure applies to all lists of its key",
    "cache/negative-cache.ts",
    "[byVariant?.get(ANY_VARIANT), byVariant?.get(variant)]",
    "[...(byVariant?.values() ?? [])]",
  ),

  fetchJob("no-store is stored", "job.isStored && isCurrent();", "isCurrent();"),
  mutant("a token's list is stored", "routes/models.ts", 'kind === "token"', "false"),
  listCache("no-cache is answered with a stored list", "return ageMs >= NO_CACHE_INTERVAL_MS;", "return false;"),
  listCache("an expired list is served", 'stateOf(list) === "expired" ? undefined : list', "list"),
  mutant("a stale list is fresh", "http/freshness.ts", "staleForMs < 0", "staleForMs < 10_000"),
  mutant("an empty list is fresh as long as others", "http/freshness.ts", "if (!isEmpty) return", "return"),

  mutant(
    "x-api-key is ignored beside Authorization",
    "http/credential.ts",
    "if (bearer !== undefined && key !== undefined && bearer !== key) throw ambiguous();",
    "",
  ),
  mutant(
    "keys are compared without case",
    "http/credential.ts",
    "prefix + credential",
    "prefix + credential.toLowerCase()",
  ),
  mutant(
    "keys are compared by their first characters",
    "http/credential.ts",
    "prefix + credential",
    "prefix + credential.slice(0, 14)",
  ),
  mutant("Origin is not sent", "upstream/list-client.ts", 'headers["Origin"] = origin;', ";"),
  {
    breaks: "all fetches use the first client's key",
    edits: [
      {
        file: "upstream/list-client.ts",
        from: "const MAX_FETCHES",
        to: "let first = '';\nconst MAX_FETCHES",
      },
      {
        file: "upstream/list-client.ts",
        from: "Bearer ${credential}",
        to: "Bearer ${(first ||= credential)}",
      },
    ],
  },
  {
    breaks: "a hit gives all clients the first client's list",
    edits: [
      {
        file: "cache/list-cache.ts",
        from: "const generations = createGenerations();",
        to: "const generations = createGenerations();\n  let first: CacheKey | undefined;",
      },
      {
        file: "cache/list-cache.ts",
        from: "const stored = store.get(key);",
        to: "const stored = store.get((first ??= key));",
      },
    ],
  },
  mutant(
    "redirects are followed",
    "upstream/list-client.ts",
    'redirect: "manual",\n      // A',
    'redirect: "follow",\n      // A',
  ),
  mutant(
    "an error with status 200 is a list",
    "models/model-list.ts",
    "error !== undefined && error !== null",
    "false",
  ),
  mutant("a quoted key is not masked", "upstream/failures.ts", 'value.replaceAll(credential, "[key]")', "value"),

  mutant("a view is stored without the model id", "cache/representation.ts", '${coding} ${view.id ?? ""}', "${coding}"),
  mutant(
    "a view is stored without its shape",
    "cache/representation.ts",
    '${isWhole(list, view) ? "original" : view.shape}',
    "view",
  ),
  mutant("every If-None-Match gets 304", "http/cache-headers.ts", 'ifNoneMatch.trim() === "*"', "true"),
];
