/** Thrown where the checks cannot be made. Its message completes "Cannot check: …" and says what to do. */
export class CannotCheck extends Error {
  override readonly name = "CannotCheck";
}
