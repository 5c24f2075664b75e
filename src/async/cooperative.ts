/** A generator that yields between chunks of CPU work. */
export type CooperativeTask<Result> = Generator<void, Result>;

// Yielding to the event loop at every `yield` would take seconds where each turn of the loop is long.
const SLICE_MS = 2;

/** Runs a task, yielding to the event loop at most every 2 ms by `now`. Throws what the task throws. */
export async function runCooperatively<Result>(
  task: CooperativeTask<Result>,
  yieldToEventLoop: () => Promise<void>,
  now: () => number,
): Promise<Result> {
  let sliceStartedAt = now();
  let step = task.next();
  while (step.done !== true) {
    if (now() - sliceStartedAt >= SLICE_MS) {
      await yieldToEventLoop();
      sliceStartedAt = now();
    }
    step = task.next();
  }
  return step.value;
}

/** Runs a task without yielding. */
export function runSync<Result>(task: CooperativeTask<Result>): Result {
  let step = task.next();
  while (step.done !== true) step = task.next();
  return step.value;
}
