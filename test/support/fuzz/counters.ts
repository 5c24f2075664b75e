import type { RejectedFetch } from "./model-state.ts";
import { queryKey, type FetchRecord } from "./record.ts";
import type { ReceivedAnswer } from "./requests.ts";

/** Counts how often each kind of event has occurred: a property whose case never occurs proves nothing. */
export interface Counters {
  operations: number;
  readonly counts: ReadonlyMap<string, number>;
  count(kind: string): void;
  countAnswer(answer: ReceivedAnswer): void;
  /** Counts fetches that overlapped each other or a 401, once a round is over. */
  countFetches(records: readonly FetchRecord[], revocations: (client: number) => readonly RejectedFetch[]): void;
}

const OUTCOMES = /fwd=[\w-]+|detail=[\w-]+|collapsed|stored/g;

export function createCounters(): Counters {
  const counts = new Map<string, number>();
  const count = (kind: string) => void counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return {
    operations: 0,
    counts,
    count,
    countAnswer({ status, headers, text }) {
      const cacheStatus = headers["cache-status"];
      if (status !== 200) count(String(status));
      if (typeof cacheStatus !== "string") count(/"code":"(\w+)"/.exec(text)?.[1] ?? "error to HEAD");
      else for (const outcome of cacheStatus.match(OUTCOMES) ?? ["fresh hit"]) count(outcome);
    },
    countFetches(records, revocations) {
      const last = new Map<string, FetchRecord>();
      for (const one of records) {
        const { arrived, client, query } = one;
        const ended = one.answered ?? arrived;
        const owner = `${client} ${queryKey(query)}`;
        if ((last.get(owner)?.answered ?? 0) > arrived) count("overlapping fetches of one query");
        last.set(owner, one);
        for (const { receivedAt, record } of revocations(client)) {
          if (arrived < (record.answered ?? 0) && ended > receivedAt) count("fetch in flight during a 401");
        }
      }
    },
  };
}
