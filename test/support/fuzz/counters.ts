import type { Seen } from "./client.ts";
import type { Refusal } from "./model-state.ts";
import { written, type Testimony } from "./record.ts";

/** Counts how often each kind of thing has happened: a law that was never put to the test proves nothing. */
export interface Tally {
  operations: number;
  readonly counts: ReadonlyMap<string, number>;
  count(kind: string): void;
  countAnswer(seen: Seen): void;
  /** Counts what has happened to flights while they were under way; once a stretch is over. */
  countFlights(testimonies: readonly Testimony[], revocations: (caller: number) => readonly Refusal[]): void;
}

const WORDS = /fwd=[\w-]+|detail=[\w-]+|collapsed|stored/g;

export function tally(): Tally {
  const counts = new Map<string, number>();
  const count = (kind: string) => void counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return {
    operations: 0,
    counts,
    count,
    countAnswer({ status, headers, text }) {
      const outcome = headers["cache-status"];
      if (status !== 200) count(String(status));
      if (typeof outcome !== "string") count(/"code":"(\w+)"/.exec(text)?.[1] ?? "error to HEAD");
      else for (const word of outcome.match(WORDS) ?? ["fresh hit"]) count(word);
    },
    countFlights(testimonies, revocations) {
      const last = new Map<string, Testimony>();
      for (const one of testimonies) {
        const { arrived, caller, question } = one;
        const ended = one.answered ?? arrived;
        const name = `${caller} ${written(question)}`;
        if ((last.get(name)?.answered ?? 0) > arrived) count("two flights of one question");
        last.set(name, one);
        for (const { seen, testimony } of revocations(caller)) {
          if (arrived < (testimony.answered ?? 0) && ended > seen)
            count("flight during which a 401 was told");
        }
      }
    },
  };
}
