import * as fc from "fast-check";
import { CALLERS } from "./callers.ts";

/** How upstream treats the next list request of a client. */
export interface Plan {
  readonly fault: Fault;
  /** Before the answer begins, and in the middle of it. */
  readonly delayMs: number;
  readonly pauseMs: number;
  readonly coding: "identity" | "gzip";
}

const STATUSES = ["500", "503", "429", "403", "404"] as const;
const BREAKAGES = ["bad-json", "cut", "cut-gzip", "reset", "redirect", "other", "other-cut"] as const;
/** `other` and `other-cut` are another key's good list in an answer that is none. */
export type Fault = "none" | "hang" | "empty" | (typeof STATUSES)[number] | (typeof BREAKAGES)[number];

export type Operation =
  | ListOperation
  | { readonly kind: "purge"; readonly caller: number; readonly method: "PURGE" | "DELETE" }
  | { readonly kind: "revoke" | "readmit" | "change" | "pass" | "anonymous"; readonly caller: number }
  /** Two different keys in one request. */
  | { readonly kind: "ambiguous"; readonly caller: number; readonly other: number }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "settle" };

/** A request for a list or for one of its models. */
export interface ListOperation {
  readonly kind: "ask";
  readonly caller: number;
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
  /** A validator that this client was given, or one of another client's, or any. */
  readonly ifNoneMatch: "own" | "another" | undefined;
  /** Whose model by id; undefined for the whole list. */
  readonly model: "own" | "own-passing" | "another" | undefined;
  readonly isEscaped: boolean;
  readonly other: number;
  readonly leaveAfterMs: number | undefined;
  readonly plan: Plan;
}

/** One round: the settings of a start, and operations, each after a gap, most of them concurrent. */
export interface Round {
  readonly settings: Record<string, string>;
  readonly steps: readonly { readonly gapMs: number; readonly operation: Operation }[];
}

export const MAX_AGE_MS = 10_000;
export const STALE_WHILE_REVALIDATE_MS = 20_000;
export const STALE_IF_ERROR_MS = 60_000;

/** Chooses one; `times` says how much likelier the first is than each other. */
const mostly = <const T>(times: number, first: T, ...others: readonly T[]): fc.Arbitrary<T> =>
  fc.constantFrom(...Array.from({ length: times }, () => first), ...others);

const indexes = CALLERS.map(({ index }) => index);
// Three of them ask most, so that they meet themselves.
const caller = fc.constantFrom(...indexes, ...[0, 1, 2].flatMap((index) => indexes.map(() => index)));

const plan: fc.Arbitrary<Plan> = fc.record({
  fault: mostly(50, "none", "hang", "empty", "empty", ...STATUSES, ...BREAKAGES),
  delayMs: mostly(16, 0, 1, 1, 2, 3, 3, 5, 8, 8, 20, 60, 150),
  pauseMs: mostly(20, 0, 1, 10),
  coding: mostly(2, "identity", "gzip"),
});

const asking: fc.Arbitrary<ListOperation> = fc.record({
  kind: fc.constant("ask"),
  caller,
  method: mostly(15, "GET", "HEAD"),
  header: mostly(2, "Bearer", "bearer", "BEARER ", "x-api-key", "both"),
  shape: mostly(8, "", "/basic", "/detailed", "/openrouter"),
  api: mostly(4, "", "/api"),
  list: mostly(16, "", "/personalized", "/subscription", "/paid"),
  version: mostly(10, "/v1", "/v1/v1", "/v1legacy", "/v1thinking"),
  slash: mostly(8, "/", "//"),
  query: mostly(12, "", "detailed=true", "detailed=1&limit=9", "sort=favorites", "user=u&detailed=false"),
  origin: mostly(12, undefined, "https://one.example.org", "https://two.example.org"),
  acceptEncoding: mostly(5, "gzip", "identity", "identity", "br", "zstd, gzip;q=0.5", "gzip, br;q=0.5"),
  cacheControl: mostly(16, undefined, "no-cache", "max-age=0", "max-age=5", "no-store", "only-if-cached"),
  ifNoneMatch: mostly(6, undefined, "own", "another"),
  model: mostly(8, undefined, "own", "own-passing", "another"),
  isEscaped: fc.boolean(),
  other: caller,
  leaveAfterMs: mostly(24, undefined, 0, 2, 6),
  plan,
});

const method = fc.constantFrom("PURGE" as const, "DELETE" as const);
const on = <const K extends string>(kind: K) => fc.record({ kind: fc.constant(kind), caller });

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 160, arbitrary: asking },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("purge"), caller, method }) },
  { weight: 3, arbitrary: on("revoke") },
  { weight: 10, arbitrary: on("readmit") },
  { weight: 4, arbitrary: on("change") },
  { weight: 5, arbitrary: on("pass") },
  { weight: 1, arbitrary: on("anonymous") },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("ambiguous"), caller, other: caller }) },
  {
    weight: 7,
    arbitrary: fc.record({
      kind: fc.constant("advance"),
      ms: mostly(3, 2500, 100, 500, 500, 1200, 1200, 9000, 12_000, 25_000, 45_000, 80_000),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "settle" }) },
);

/** Generates rounds of so many steps. */
export function rounds(steps: number): fc.Arbitrary<Round> {
  const step = fc.record({ gapMs: mostly(20, 0, 1, 1, 4), operation });
  return fc.record({
    settings: fc.record({
      MAX_AGE: fc.constant(`${MAX_AGE_MS}ms`),
      STALE_WHILE_REVALIDATE: fc.constant(`${STALE_WHILE_REVALIDATE_MS}ms`),
      STALE_IF_ERROR: fc.constant(`${STALE_IF_ERROR_MS}ms`),
      LIST_TIMEOUT: fc.constant("250ms"),
      REFUSAL_MAX_AGE: mostly(3, "2s", "0"),
      // So little that clients put each other out, now and then.
      MEMORY_MAX_SIZE: mostly(3, "64MB", "48KB"),
    }),
    steps: fc.array(step, { minLength: steps, maxLength: steps }),
  });
}
