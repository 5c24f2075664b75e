import * as fc from "fast-check";
import { CLIENTS } from "./clients.ts";

/** How upstream treats the next list request of a client. */
export interface Plan {
  readonly fault: Fault;
  /** Delay before the answer. */
  readonly delayMs: number;
  /** Pause in the middle of the answer. */
  readonly pauseMs: number;
  readonly coding: "identity" | "gzip";
}

const STATUSES = ["500", "503", "429", "403", "404"] as const;
const BREAKAGES = ["bad-json", "cut", "cut-gzip", "reset", "redirect", "other", "other-cut"] as const;
/** `other` and `other-cut` are another key's list in an invalid answer. */
export type Fault = "none" | "hang" | "empty" | (typeof STATUSES)[number] | (typeof BREAKAGES)[number];

export type Operation =
  | ListOperation
  | { readonly kind: "purge"; readonly client: number; readonly method: "PURGE" | "DELETE" }
  | { readonly kind: "revoke" | "restore" | "change" | "passthrough" | "anonymous"; readonly client: number }
  /** Two different keys in one request. */
  | { readonly kind: "ambiguous"; readonly client: number; readonly other: number }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "settle" };

/** A request for a list or for one of its models. */
export interface ListOperation {
  readonly kind: "list";
  readonly client: number;
  readonly method: "GET" | "HEAD";
  readonly header: "Bearer" | "bearer" | "BEARER " | "x-api-key" | "both";
  readonly shape: "" | "/basic" | "/detailed" | "/openrouter";
  readonly api: "" | "/api";
  readonly list: "" | "/personalized" | "/subscription" | "/paid";
  readonly version: "/v1" | "/v1/v1" | "/v1legacy" | "/v1thinking";
  readonly slash: "/" | "//";
  readonly query: "" | "detailed=true" | "detailed=1&limit=9" | "sort=favorites" | "user=u&detailed=false";
  readonly origin: string | undefined;
  readonly acceptEncoding: string;
  readonly cacheControl: string | undefined;
  /** The last ETag that this client got for the view, or another client did. */
  readonly ifNoneMatch: "own" | "another" | undefined;
  /** The client whose model is requested; undefined for the whole list. */
  readonly model: "own" | "own-versioned" | "another" | undefined;
  readonly isEscaped: boolean;
  readonly other: number;
  readonly leaveAfterMs: number | undefined;
  readonly plan: Plan;
}

/** The settings of a Keylane, and operations, which start after a gap each and mostly overlap. */
export interface Round {
  readonly settings: Record<string, string>;
  readonly steps: readonly { readonly gapMs: number; readonly operation: Operation }[];
}

export const MAX_AGE_MS = 10_000;
export const STALE_WHILE_REVALIDATE_MS = 20_000;
export const STALE_IF_ERROR_MS = 60_000;

/** Chooses one value; the first is `times` as likely as each other. */
const weighted = <const T>(times: number, first: T, ...others: readonly T[]): fc.Arbitrary<T> =>
  fc.constantFrom(...Array.from({ length: times }, () => first), ...others);

const indexes = CLIENTS.map(({ index }) => index);
// Three clients send most requests, so that requests of one client overlap.
const client = fc.constantFrom(...indexes, ...[0, 1, 2].flatMap((index) => indexes.map(() => index)));

const plan: fc.Arbitrary<Plan> = fc.record({
  fault: weighted(50, "none", "hang", "empty", "empty", ...STATUSES, ...BREAKAGES),
  delayMs: weighted(16, 0, 1, 1, 2, 3, 3, 5, 8, 8, 20, 60, 150),
  pauseMs: weighted(20, 0, 1, 10),
  coding: weighted(2, "identity", "gzip"),
});

const listOperation: fc.Arbitrary<ListOperation> = fc.record({
  kind: fc.constant("list"),
  client,
  method: weighted(15, "GET", "HEAD"),
  header: weighted(2, "Bearer", "bearer", "BEARER ", "x-api-key", "both"),
  shape: weighted(8, "", "/basic", "/detailed", "/openrouter"),
  api: weighted(4, "", "/api"),
  list: weighted(16, "", "/personalized", "/subscription", "/paid"),
  version: weighted(10, "/v1", "/v1/v1", "/v1legacy", "/v1thinking"),
  slash: weighted(8, "/", "//"),
  query: weighted(12, "", "detailed=true", "detailed=1&limit=9", "sort=favorites", "user=u&detailed=false"),
  origin: weighted(12, undefined, "https://one.example.org", "https://two.example.org"),
  acceptEncoding: weighted(5, "gzip", "identity", "identity", "br", "zstd, gzip;q=0.5", "gzip, br;q=0.5"),
  cacheControl: weighted(16, undefined, "no-cache", "max-age=0", "max-age=5", "no-store", "only-if-cached"),
  ifNoneMatch: weighted(6, undefined, "own", "another"),
  model: weighted(8, undefined, "own", "own-versioned", "another"),
  isEscaped: fc.boolean(),
  other: client,
  leaveAfterMs: weighted(24, undefined, 0, 2, 6),
  plan,
});

const method = fc.constantFrom("PURGE" as const, "DELETE" as const);
const on = <const K extends string>(kind: K) => fc.record({ kind: fc.constant(kind), client });

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 160, arbitrary: listOperation },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("purge"), client, method }) },
  { weight: 3, arbitrary: on("revoke") },
  { weight: 10, arbitrary: on("restore") },
  { weight: 4, arbitrary: on("change") },
  { weight: 5, arbitrary: on("passthrough") },
  { weight: 1, arbitrary: on("anonymous") },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("ambiguous"), client, other: client }) },
  {
    weight: 7,
    arbitrary: fc.record({
      kind: fc.constant("advance"),
      ms: weighted(3, 2500, 100, 500, 500, 1200, 1200, 9000, 12_000, 25_000, 45_000, 80_000),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "settle" }) },
);

/** Generates rounds of `steps` operations. */
export function rounds(steps: number): fc.Arbitrary<Round> {
  const step = fc.record({ gapMs: weighted(20, 0, 1, 1, 4), operation });
  return fc.record({
    settings: fc.record({
      MAX_AGE: fc.constant(`${MAX_AGE_MS}ms`),
      STALE_WHILE_REVALIDATE: fc.constant(`${STALE_WHILE_REVALIDATE_MS}ms`),
      STALE_IF_ERROR: fc.constant(`${STALE_IF_ERROR_MS}ms`),
      LIST_TIMEOUT: fc.constant("250ms"),
      REFUSAL_MAX_AGE: weighted(3, "2s", "0"),
      // 48 kB is so little that clients sometimes evict each other's lists.
      MEMORY_MAX_SIZE: weighted(3, "64MB", "48KB"),
    }),
    steps: fc.array(step, { minLength: steps, maxLength: steps }),
  });
}
