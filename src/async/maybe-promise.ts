/** What is here already, or comes. */
export type Soon<T> = T | Promise<T>;

/** Goes on with a value: at once where it is here, so that a stored list is answered in the turn in which it was asked for. */
export function after<T, Result>(value: Soon<T>, use: (value: T) => Soon<Result>): Soon<Result> {
  return value instanceof Promise ? value.then(use) : use(value);
}
