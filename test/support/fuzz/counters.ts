import type { Seen } from "./client.ts";
import type { NegativeState } from "./model-state.ts";
import { serializeRecord, type UpstreamRecord } from "./record.ts";

/** Counts how often each kind of thing has happened: a law that was never put to the test proves nothing. */
export interface Counters {
  operations: number;
  readonly counts: ReadonlyMap<string, number>;
  count(kind: string): void;
  countAnswer(seen: Seen): void;
  /** Counts what has happened to fetches in flight; once a round is over. */
  countFlights(records: readonly UpstreamRecord[], revocations: (caller: number) => readonly NegativeState[]): void;
}

const ARGS = /fwd=[\w-]+|detail=[\w-]+|collapsed|stored/g;

export function createCounters(): Counters {
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
      else for (const text of outcome.match(ARGS) ?? ["fresh hit"]) count(text);
    },
    countFlights(records, revocations) {
      const last = new Map<string, UpstreamRecord>();
      for (const one of records) {
        const { arrived, caller, question } = one;
        const ended = one.answered ?? arrived;
        const name = `${caller} ${serializeRecord(question)}`;
        if ((last.get(name)?.answered ?? 0) > arrived) count("overlapping fetches of one query");
        last.set(name, one);
        for (const { seen, record } of revocations(caller)) {
          if (arrived < (record.answered ?? 0) && ended > seen) count("fetch in flight during a 401");
        }
      }
    },
  };
}
