import { runtime } from "../keylane.ts";
import { ALICE, type Answer, type Setup } from "../setup.ts";
import { FAULTS, GROUPS, type FaultRow, type Within } from "./table.ts";

/** The rows that hold on the runtime of this run. */
export function rowsOfRuntime(): readonly FaultRow[] {
  return FAULTS.filter(({ only }) => only === undefined || only === runtime);
}

/** How long a client with nothing stored waits. */
export function withinOf({ group, within }: FaultRow): Within {
  return within ?? GROUPS[group].within;
}

/** Settings that end a row quickly: a short LIST_TIMEOUT for rows that end by it, a long one for the others. */
export function quick(row: FaultRow): Record<string, string> {
  const timeouts = { "at once": "60s", "a quarter of LIST_TIMEOUT": "1200ms", LIST_TIMEOUT: "400ms" };
  return { LIST_TIMEOUT: timeouts[withinOf(row)] };
}

/** Breaks upstream for Alice; for everybody where it refuses connections. */
export async function breakUpstream({ nano }: Pick<Setup, "nano">, { cause }: FaultRow): Promise<void> {
  if (cause === "refuse") await nano.pause();
  else nano.fail(cause, { key: ALICE });
}

/** Makes it good again. */
export async function repairUpstream({ nano }: Pick<Setup, "nano">, { cause }: FaultRow): Promise<void> {
  if (cause === "refuse") await nano.resume();
  else nano.fail(undefined);
}

/** What an answer comes to: a list's ids, or status and code of an error. */
export interface Expected {
  readonly ids?: readonly string[];
  readonly status?: number;
  readonly code?: string | null;
}

/** The relevant parts of a response, or those expected for a row where nothing is stored and upstream has `good`. */
export function answered(answer: Answer): Expected;
export function answered(row: FaultRow, good: readonly string[]): Expected;
export function answered(of: Answer | FaultRow, good: readonly string[] = []): Expected {
  if ("text" in of) {
    return of.status === 200 ? { ids: of.ids() } : { status: of.status, code: of.json().error.code };
  }
  const { cold } = GROUPS[of.group];
  if (cold === "the list") return { ids: of.ids?.(good) ?? good };
  const status = cold.status === "its own" ? (of.status ?? 0) : cold.status;
  return { status, code: of.code === undefined ? cold.code : of.code };
}

/** Gives what is stored for that key afterwards: the list that was asked for, and others of the key. */
export function storedAfter(
  row: FaultRow,
  stored: readonly string[],
  upstream: readonly string[],
): Record<"list" | "others", readonly string[] | undefined> {
  const { kept } = GROUPS[row.group];
  const lists = {
    "the new list": answered(row, upstream).ids,
    "the stored list": stored,
    "its other lists": undefined,
    nothing: undefined,
  };
  return { list: lists[kept], others: kept === "nothing" ? undefined : upstream };
}
