/** A long work that rests between its stretches. */
export type CooperativeTask<Result> = Generator<void, Result>;

// A turn for each rest would be too many where every turn is long: the work would last for seconds.
const SLICE_MS = 2;

/** Has it done, with a turn for others at a rest whenever it has gone on for 2 ms by `now`. Throws what it throws. */
export async function runCooperatively<Result>(
  work: CooperativeTask<Result>,
  nextTurn: () => Promise<void>,
  now: () => number,
): Promise<Result> {
  let since = now();
  let done = work.next();
  while (done.done !== true) {
    if (now() - since >= SLICE_MS) {
      await nextTurn();
      since = now();
    }
    done = work.next();
  }
  return done.value;
}

/** Has it done without a rest. */
export function runSync<Result>(work: CooperativeTask<Result>): Result {
  let done = work.next();
  while (done.done !== true) done = work.next();
  return done.value;
}
