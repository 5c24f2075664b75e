// Anything longer would be over at once: the longest LIST_TIMEOUT is as long, and patience is a little longer.
const TIMER_MAX_MS = 2 ** 31 - 1;

/** Waits for work so long; gives undefined when the time is over, and the work goes on. */
export async function withTimeout<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), Math.min(Math.max(0, ms), TIMER_MAX_MS));
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
