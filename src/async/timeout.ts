/** The longest delay of setTimeout, which fires at once for a longer one. */
export const TIMER_MAX_MS: number = 2 ** 31 - 1;

/** Waits `ms` for a promise, then gives undefined; the work itself continues. */
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
