/** The longest delay of setTimeout; a longer one would fire at once. */
export const TIMER_MAX_MS: number = 2 ** 31 - 1;

/** Waits `ms` for a promise; gives undefined when the time is over, and the work goes on. */
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
