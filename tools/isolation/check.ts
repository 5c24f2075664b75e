import { ownerOf, type Pair } from "./accounts.ts";
import type { Answer } from "./response.ts";
import type { Target, Name } from "./target.ts";
import type { Arguments } from "./arguments.ts";

/** What a check works on. */
export interface CheckContext extends Arguments {
  readonly pair: Pair;
  readonly instance: Target;
}

/** One promise of isolation. */
export interface Check {
  /** What holds if it is kept. */
  readonly sentence: string;
  /** Whether nothing can be seen while both keys see the same models. */
  readonly needsTwoLists?: boolean;
  readonly run: (context: CheckContext, notes: Notes) => Promise<void> | void;
}

/** Where a check writes down what it saw; the same texts are counted, not repeated. Never keys, never ids. */
export interface Notes {
  /** The promise is broken. */
  readonly fault: (text: string) => void;
  /** It could not be seen. */
  readonly doubt: (text: string) => void;
  /** It was not tried. */
  readonly skip: (text: string) => void;
  /** Worth knowing. */
  readonly aside: (text: string) => void;
}

export interface Result {
  readonly verdict: "ok" | "FAILED" | "unclear" | "skipped";
  readonly sentence: string;
  readonly seen: string;
}

/** Makes one check. One that breaks off is unclear: whatever broke it says nothing of isolation. */
export async function check({ sentence, needsTwoLists = false, run }: Check, context: CheckContext): Promise<Result> {
  const written = { FAILED: tallied(), unclear: tallied(), skipped: tallied(), ok: tallied() };
  try {
    await run(context, {
      fault: written.FAILED.add,
      doubt: written.unclear.add,
      skip: written.skipped.add,
      aside: written.ok.add,
    });
  } catch (error) {
    written.unclear.add(`no answer (${error instanceof Error ? error.name : "broken off"})`);
  }
  if (needsTwoLists && context.pair.areEqual) written.unclear.add("cannot be seen while both lists are equal");
  const verdict = (["FAILED", "unclear", "skipped"] as const).find((one) => written[one].text() !== "") ?? "ok";
  return { verdict, sentence, seen: written[verdict].text() };
}

/** Judges the list that a key got for its own; gives false where none came because none was stored there. */
export function judgeList(answer: Answer, name: Name, { pair }: CheckContext, notes: Notes, how = ""): boolean {
  const where = how === "" ? "" : ` ${how}`;
  if (answer.status === 504) return false;
  if (answer.status !== 200 || answer.ids === undefined) {
    notes.doubt(`KEY_${name} got ${answer.status}${where}, no list`);
    return true;
  }
  const found = ownerOf(answer.ids, name, pair);
  const strange = answer.ids.filter((id) => !pair[name].ids.has(id)).length;
  if (found === "foreign")
    notes.fault(`KEY_${name} got the other key's list${where} (${strange} models it does not have)`);
  if (found === "changed") notes.doubt(`the list of KEY_${name} has changed meanwhile${where}: run this again`);
  return true;
}

export const NOT_STORED =
  "not stored where it was requested (several instances, each with a cache of its own, or MAX_AGE and STALE_IF_ERROR near 0)";

function tallied(): { add: (text: string) => void; text: () => string } {
  const counts = new Map<string, number>();
  return {
    add: (text) => void counts.set(text, (counts.get(text) ?? 0) + 1),
    text: () => [...counts].map(([text, count]) => (count === 1 ? text : `${text}, ${count} times`)).join("; "),
  };
}
