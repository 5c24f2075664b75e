/** A value or a promise of it. */
export type MaybePromise<T> = T | Promise<T>;

/** Applies `fn` now if `value` is settled, else when it resolves; keeps cache hits synchronous. */
export function mapMaybePromise<T, Result>(
  value: MaybePromise<T>,
  fn: (value: T) => MaybePromise<Result>,
): MaybePromise<Result> {
  return value instanceof Promise ? value.then(fn) : fn(value);
}
