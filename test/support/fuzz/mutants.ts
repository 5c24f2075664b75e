/** A way in which Keylane could be wrong: exact texts of its source, each of which must be there once, and others. */
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

const flights = (breaks: string, from: string, to: string) =>
  mutant(breaks, "cache/single-flight.ts", from, to);
const cache = (breaks: string, from: string, to: string) => mutant(breaks, "cache/list-cache.ts", from, to);
const question = (breaks: string, from: string, to: string) => mutant(breaks, "cache/cache-key.ts", from, to);

const PURGE_OF_401 = "      store.purge(key.fingerprint);\n";
const KEPT = "if (kept?.some((one) => one.list === list)) keep(key.fingerprint, [...kept]);";
const NAME = "${errand.key.fingerprint} ${errand.key.variant} ${";

export const MUTANTS: readonly Mutant[] = [
  question("the key is no part of the cache key", "{ fingerprint, variant", '{ fingerprint: "", variant'),
  question("the variant is no part of the cache key", "`${FORMAT} ${list} ${rest}`", "FORMAT"),
  question("the list's name is no part of the cache key", "${list} ${rest}", "${rest}"),
  question("the query is no part of the cache key", "isPlain ? query :", 'isPlain ? "" :'),
  question("Origin is no part of the cache key", "): CacheKey {", "): CacheKey {\n  origin = undefined;"),

  cache("a purge leaves flights alone", "    flying.ground(fingerprint);\n", ""),
  cache(
    "a purge leaves the stored lists",
    "flying.ground(fingerprint);\n    store.purge(fingerprint);",
    "flying.ground(fingerprint);",
  ),
  mutant(
    "a purge forgets one variant",
    "storage/memory.ts",
    "purge: (fingerprint) => void callers.delete(fingerprint)",
    "purge: (fingerprint) => keep(fingerprint, (callers.peek(fingerprint) ?? []).slice(1))",
  ),
  flights("a flight that was let go keeps its list", "flight.isCurrent = false;", ""),
  mutant(
    "a list is stored again by being counted",
    "storage/memory.ts",
    KEPT,
    "keep(key.fingerprint, [...others(key), { variant: key.variant, list }]);",
  ),

  flights(
    "followers are handed the wrong flight",
    "const known = underWay.get(name);",
    "const known = underWay.get(name) ?? underWay.values().next().value;",
  ),
  flights("flights of all keys are one", NAME, "${errand.key.variant} ${"),
  flights("flights of all a key's questions are one", NAME, "${errand.key.fingerprint} ${"),
  flights("no-store joins other flights", 'errand.isStored ? "" : "no-store"', '""'),

  flights("a 401 leaves the stored lists", PURGE_OF_401, ""),
  flights("a 401 leaves other flights alone", "      ground(key.fingerprint, failure);\n", ""),
  flights(
    "a list let go before a 401 is delivered after it",
    "flight.revoked ?? remembered",
    "undefined && remembered",
  ),
  {
    breaks: "a 401 is an error for which stale lists are served",
    edits: [
      { file: "cache/single-flight.ts", from: PURGE_OF_401, to: "" },
      { file: "cache/list-cache.ts", from: " || !isTransient(error.problem.status)", to: "" },
    ],
  },
  flights("another 4xx leaves the stored list", " else if (isRejected) store.delete(key);", ""),
  mutant(
    "a refusal is anybody's",
    "cache/negative-cache.ts",
    "const known = callers.get(fingerprint);",
    "const known = callers.values().next().value;",
  ),
  mutant(
    "a refusal is of all questions",
    "cache/negative-cache.ts",
    "[known?.get(ANY_VARIANT), known?.get(variant)]",
    "[...(known?.values() ?? [])]",
  ),

  flights("no-store is stored", "flight.isCurrent && isStored;", "flight.isCurrent;"),
  mutant("a token's list is stored", "routes/models.ts", 'caller.kind === "token"', "false"),
  cache("no-cache is answered with what is held", "return ageMs >= NO_CACHE_INTERVAL_MS;", "return false;"),
  cache("an expired list is served", 'stateOf(list) === "expired" ? undefined : list', "list"),
  mutant("a stale list is fresh", "http/freshness.ts", "staleForMs < 0", "staleForMs < 10_000"),
  mutant("an empty list lives like any", "http/freshness.ts", "if (!isEmpty) return", "return"),

  mutant(
    "x-api-key is not looked at beside Authorization",
    "http/credential.ts",
    "if (bearer !== undefined && key !== undefined && bearer !== key) throw ambiguous();",
    "",
  ),
  mutant(
    "keys are the same in any case",
    "http/credential.ts",
    "prefix + credential",
    "prefix + credential.toLowerCase()",
  ),
  mutant(
    "keys are the same that begin alike",
    "http/credential.ts",
    "prefix + credential",
    "prefix + credential.slice(0, 14)",
  ),
  mutant("Origin is not sent", "upstream/list-client.ts", 'headers["Origin"] = origin;', ";"),
  {
    breaks: "all ask with the first one's key",
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
    breaks: "the short road gives everyone the first one's list",
    edits: [
      {
        file: "routes/models.ts",
        from: "/** The life of a list",
        to: "let first: CacheKey;\n/** The life of a list",
      },
      { file: "routes/models.ts", from: "cache.fresh(key,", to: "cache.fresh((first ??= key)," },
    ],
  },
  mutant("redirects are followed", "upstream/list-client.ts", 'redirect: "manual",', 'redirect: "follow",'),
  mutant(
    "an error with status 200 is a list",
    "models/model-list.ts",
    "error !== undefined && error !== null",
    "false",
  ),
  mutant(
    "a quoted key is not masked",
    "upstream/failures.ts",
    'value.replaceAll(credential, "[key]")',
    "value",
  ),

  mutant(
    "a view is kept without its id",
    "cache/representation.ts",
    '${coding} ${view.id ?? ""}',
    "${coding}",
  ),
  mutant(
    "a view is kept without its shape",
    "cache/representation.ts",
    '${isWhole(list, view) ? "original" : view.shape}',
    "view",
  ),
  mutant("304 is for everyone", "http/cache-control.ts", 'ifNoneMatch.trim() === "*"', "true"),
];
