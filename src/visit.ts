import type { CacheOutcome, FieldLines } from "./headers.ts";
import type { Route } from "./paths.ts";

/** What the entry of a runtime knows of one request and a Request cannot say. */
export interface Arrival {
  /** The request target as it was sent. */
  readonly target: string;
  /** The header fields as they were sent. */
  readonly lines: () => FieldLines;
  /** Carries this request upstream and its answer back, body bytes untouched. */
  readonly carry: Carry;
}

/** A passthrough call, ready to go. */
export interface Call {
  readonly method: string;
  /** What follows the passthrough's base URL: path and query. */
  readonly path: string;
  readonly lines: FieldLines;
  /** Makes the fields that go down out of upstream's. */
  readonly downward: (status: number, lines: FieldLines) => string[];
}

/**
 * Resolves to the answer, once its status is known; where the runtime writes it to the caller itself, once that is done.
 * Throws a KeylaneError while nothing of an answer has gone down.
 */
export type Carry = (call: Call) => Promise<Response>;

/** One request on its way through the rooms. */
export interface Visit {
  readonly arrival: Arrival;
  readonly route: Route;
  readonly requestId: string;
  /** CORS fields and the request id: what every answer of ours carries. */
  readonly fields: Readonly<Record<string, string>>;
  /** Filled in on the way, for the log. */
  readonly seen: { caller?: string; outcome?: CacheOutcome };
}

/** Hono's type parameter for all our handlers. */
export interface VisitEnv {
  readonly Bindings: Visit;
}
