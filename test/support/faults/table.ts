import type { Runtime } from "../keylane.ts";
import type { Fault } from "../nanogpt/nanogpt.ts";
import { CONNECTIONS } from "./connections.ts";
import { LISTS } from "./lists.ts";
import { ODDITIES } from "./oddities.ts";
import { STATUSES } from "./statuses.ts";

/** A fault of NanoGPT; its group says how Keylane handles it. */
export interface FaultRow {
  /** Completes the sentence "NanoGPT …". */
  readonly name: string;
  readonly group: GroupName;
  /** `refuse`: NanoGPT's port is closed. */
  readonly cause: Fault | "refuse";
  /** The status that NanoGPT sends. */
  readonly status?: number | undefined;
  /** The code of the client's error, unless it is the group's. */
  readonly code?: string | null | undefined;
  /** The ids that clients get from a good list; all of them when undefined. */
  readonly ids?: ((good: readonly string[]) => readonly string[]) | undefined;
  /** The client's wait, unless it is the group's. */
  readonly within?: Within | undefined;
  /** Set where the runtimes' HTTP clients treat the fault differently. */
  readonly only?: Runtime | undefined;
}

/** How Keylane handles a group of faults. The README's table has one row for each group, with the same name. */
export interface Handling {
  /** The answer with nothing stored; `its own` is the status or code that NanoGPT sent. */
  readonly cold: "the list" | { readonly status: number | "its own"; readonly code: string };
  /** The answer with a stored list past STALE_WHILE_REVALIDATE. */
  readonly stored: "the new list" | "the stored list" | "the same error";
  /** The lists stored for that key afterwards. */
  readonly kept: "the new list" | "the stored list" | "its other lists" | "nothing";
  readonly within: Within;
}

/** How long a client with nothing stored waits; with a stored list, half of `LIST_TIMEOUT` at most. */
export type Within = "at once" | "a quarter of LIST_TIMEOUT" | "LIST_TIMEOUT";

const failure = (status: number | "its own", code: string): Handling => ({
  cold: { status, code },
  stored: "the stored list",
  kept: "the stored list",
  within: "at once",
});
const upstreamError = (kept: Handling["kept"]): Handling => ({
  cold: { status: "its own", code: "its own" },
  stored: "the same error",
  kept,
  within: "at once",
});

export type GroupName =
  | "sends a good list in an odd way"
  | "cannot be reached"
  | "closes or resets before its answer"
  | "is silent or too slow"
  | "breaks off its answer"
  | "does not speak HTTP"
  | "encodes its answer wrongly"
  | "sends too much"
  | "sends what is no model list"
  | "sends a success other than 200"
  | "redirects"
  | "says 401"
  | "says another 4xx"
  | "says 408, 425 or 429"
  | "says 503"
  | "says another 5xx";

/** All groups, in the README's order. */
export const GROUPS: Readonly<Record<GroupName, Handling>> = {
  "sends a good list in an odd way": {
    cold: "the list",
    stored: "the new list",
    kept: "the new list",
    within: "at once",
  },
  "cannot be reached": failure(502, "upstream_unreachable"),
  "closes or resets before its answer": failure(502, "upstream_unreachable"),
  "is silent or too slow": { ...failure(504, "upstream_timeout"), within: "LIST_TIMEOUT" },
  "breaks off its answer": failure(502, "upstream_invalid_response"),
  "does not speak HTTP": failure(502, "upstream_unreachable"),
  "encodes its answer wrongly": failure(502, "upstream_invalid_response"),
  "sends too much": failure(502, "upstream_invalid_response"),
  "sends what is no model list": failure(502, "upstream_invalid_response"),
  "sends a success other than 200": failure(502, "upstream_invalid_response"),
  redirects: failure(502, "upstream_invalid_response"),
  "says 401": upstreamError("nothing"),
  "says another 4xx": upstreamError("its other lists"),
  "says 408, 425 or 429": failure("its own", "its own"),
  "says 503": failure(503, "upstream_unavailable"),
  "says another 5xx": failure(502, "upstream_error"),
};

/** Every fault, group by group. */
export const FAULTS: readonly FaultRow[] = [...ODDITIES, ...CONNECTIONS, ...LISTS, ...STATUSES];

/** The first fault of each group that keeps a stored list. */
export const FAILURES: readonly FaultRow[] = FAULTS.filter(
  ({ group }, index) =>
    GROUPS[group].stored === "the stored list" && FAULTS.findIndex((row) => row.group === group) === index,
);
