/** A long work that rests between its stretches. */
export type Stretches<Result> = Generator<void, Result>;

/** Has it done with a turn of the loop for others at each rest. Throws what it throws. */
export async function inTurns<Result>(
  work: Stretches<Result>,
  nextTurn: () => Promise<void>,
): Promise<Result> {
  let done = work.next();
  for (; done.done !== true; done = work.next()) await nextTurn();
  return done.value;
}

/** Has it done without a rest. */
export function atOnce<Result>(work: Stretches<Result>): Result {
  let done = work.next();
  while (done.done !== true) done = work.next();
  return done.value;
}
