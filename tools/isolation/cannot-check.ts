/** Says why the checks cannot be made, and what to do; its message completes "Cannot check: …". */
export class CannotCheck extends Error {
  override readonly name = "Unusable";
}
