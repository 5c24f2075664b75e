import { classifyList, type Pair } from "./accounts.ts";
import type { Answer } from "./response.ts";
import type { Target, KeyName } from "./target.ts";
import type { Arguments } from "./arguments.ts";

/** The input of a check. */
export interface CheckContext extends Arguments {
  readonly pair: Pair;
  readonly target: Target;
}

/** One guarantee of isolation, and how to test it. */
export interface Check {
  /** States the guarantee. */
  readonly sentence: string;
  /** Whether a violation cannot be noticed while both keys see the same models. */
  readonly needsTwoLists?: boolean;
  readonly run: (context: CheckContext, notes: Notes) => Promise<void> | void;
}

/** Records what a check finds, never keys or ids. Equal texts are counted, not repeated. */
export interface Notes {
  /** The guarantee is violated. */
  readonly failed: (text: string) => void;
  /** The check could not tell. */
  readonly unclear: (text: string) => void;
  /** The check was not made. */
  readonly skipped: (text: string) => void;
  /** Additional information. */
  readonly remark: (text: string) => void;
}

export interface Result {
  readonly verdict: "ok" | "FAILED" | "unclear" | "skipped";
  readonly sentence: string;
  readonly details: string;
}

/** Makes one check. The result is unclear if it throws, since the error proves nothing about isolation. */
export async function check({ sentence, needsTwoLists = false, run }: Check, context: CheckContext): Promise<Result> {
  const written = { FAILED: createTexts(), unclear: createTexts(), skipped: createTexts(), ok: createTexts() };
  try {
    await run(context, {
      failed: written.FAILED.add,
      unclear: written.unclear.add,
      skipped: written.skipped.add,
      remark: written.ok.add,
    });
  } catch (error) {
    written.unclear.add(`no answer (${error instanceof Error ? error.name : "broken off"})`);
  }
  if (needsTwoLists && context.pair.areEqual) written.unclear.add("cannot be seen while both lists are equal");
  const verdict = (["FAILED", "unclear", "skipped"] as const).find((one) => written[one].text() !== "") ?? "ok";
  return { verdict, sentence, details: written[verdict].text() };
}

/** Judges the list that a key received as its own. Returns false for 504: nothing was stored. */
export function judgeList(answer: Answer, name: KeyName, { pair }: CheckContext, notes: Notes, how = ""): boolean {
  const where = how === "" ? "" : ` ${how}`;
  if (answer.status === 504) return false;
  if (answer.status !== 200 || answer.ids === undefined) {
    notes.unclear(`KEY_${name} got ${answer.status}${where}, no list`);
    return true;
  }
  const owner = classifyList(answer.ids, name, pair);
  const foreignCount = answer.ids.filter((id) => !pair[name].ids.has(id)).length;
  if (owner === "foreign")
    notes.failed(`KEY_${name} got the other key's list${where} (${foreignCount} models it does not have)`);
  if (owner === "changed") notes.unclear(`the list of KEY_${name} has changed meanwhile${where}: run this again`);
  return true;
}

export const NOT_STORED =
  "not stored where it was requested (several instances, each with a cache of its own, or MAX_AGE and STALE_IF_ERROR near 0)";

function createTexts(): { add: (text: string) => void; text: () => string } {
  const counts = new Map<string, number>();
  return {
    add: (text) => void counts.set(text, (counts.get(text) ?? 0) + 1),
    text: () => [...counts].map(([text, count]) => (count === 1 ? text : `${text}, ${count} times`)).join("; "),
  };
}
