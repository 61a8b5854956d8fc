/** A mistake that the user can mend: shown as one line, exit code 2, no stack trace. */
export class UserError extends Error {
  override name = "UserError";
}
