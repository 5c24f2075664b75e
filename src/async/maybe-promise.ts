/** What is here already, or comes. */
export type MaybePromise<T> = T | Promise<T>;

/** Goes on with a value: at once where it is here, so that a stored list is answered in the turn in which it was asked for. */
export function mapMaybePromise<T, Result>(
  value: MaybePromise<T>,
  use: (value: T) => MaybePromise<Result>,
): MaybePromise<Result> {
  return value instanceof Promise ? value.then(use) : use(value);
}
