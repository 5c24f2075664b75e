import { runtime } from "../keylane.ts";
import { ALICE, type Answer, type Setup } from "../setup.ts";
import { FAULTS, GROUPS, type FaultRow, type Within } from "./table.ts";

/** The rows that apply to the runtime of this run. */
export function rowsOfRuntime(): readonly FaultRow[] {
  return FAULTS.filter(({ only }) => only === undefined || only === runtime);
}

/** How long a client with nothing stored waits. */
export function withinOf({ group, within }: FaultRow): Within {
  return within ?? GROUPS[group].within;
}

/** Settings that end a row quickly: a short LIST_TIMEOUT for rows that end by it, a long one for the others. */
export function fastSettings(row: FaultRow): Record<string, string> {
  const timeouts = { "at once": "60s", "a quarter of LIST_TIMEOUT": "1200ms", LIST_TIMEOUT: "400ms" };
  return { LIST_TIMEOUT: timeouts[withinOf(row)] };
}

/** Breaks upstream for Alice, or for all keys if it refuses connections. */
export async function breakUpstream({ nano }: Pick<Setup, "nano">, { cause }: FaultRow): Promise<void> {
  if (cause === "refuse") await nano.pause();
  else nano.fail(cause, { key: ALICE });
}

/** Ends the fault. */
export async function repairUpstream({ nano }: Pick<Setup, "nano">, { cause }: FaultRow): Promise<void> {
  if (cause === "refuse") await nano.resume();
  else nano.fail(undefined);
}

/** The ids of a list, or status and code of an error. */
export interface Outcome {
  readonly ids?: readonly string[];
  readonly status?: number;
  readonly code?: string | null;
}

/** The outcome of an answer. */
export function outcomeOf(answer: Answer): Outcome {
  const { status } = answer;
  return status === 200 ? { ids: answer.ids() } : { status, code: answer.json().error.code };
}

/** The outcome expected for a row where nothing is stored and upstream has `good`. */
export function expectedOutcome(row: FaultRow, good: readonly string[]): Outcome {
  const { cold } = GROUPS[row.group];
  if (cold === "the list") return { ids: row.ids?.(good) ?? good };
  const status = cold.status === "its own" ? (row.status ?? 0) : cold.status;
  return { status, code: row.code === undefined ? cold.code : row.code };
}

/** The ids stored for the key afterwards: of the requested list, and of its other lists. */
export function storedAfter(
  row: FaultRow,
  stored: readonly string[],
  upstream: readonly string[],
): Record<"list" | "others", readonly string[] | undefined> {
  const { kept } = GROUPS[row.group];
  const lists = {
    "the new list": expectedOutcome(row, upstream).ids,
    "the stored list": stored,
    "its other lists": undefined,
    nothing: undefined,
  };
  return { list: lists[kept], others: kept === "nothing" ? undefined : upstream };
}
