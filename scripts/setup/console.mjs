/** What set-up says, and how it fails: one line that names what is missing and the one command that mends it. */

/** A failure the user can mend. Its message is the whole text the user sees; `exitCode` is the program's. */
export class SetupError extends Error {
  /**
   * @param {string} message
   * @param {{ exitCode?: 1 | 2, output?: string }} [options] `output`: what a failed tool printed, shown above the message
   */
  constructor(message, { exitCode = 1, output = "" } = {}) {
    super(message);
    this.name = "SetupError";
    this.exitCode = exitCode;
    this.output = output;
  }
}

/** Work that is being done, even under --quiet: a silent minute looks like a hang.
 * @param {string} text */
export function say(text) {
  process.stdout.write(`set-up: ${text}\n`);
}

/** How far the compiler is: a line that changes on a terminal, elsewhere a line for each quarter.
 * @param {number} done
 * @param {number} total */
export function progress(done, total) {
  const { stdout } = process;
  if (stdout.isTTY) stdout.write(`\rset-up: ${done} of ${total} files${done === total ? "\n" : ""}`);
  else if (Math.floor((4 * done) / total) > Math.floor((4 * (done - 1)) / total))
    say(`${done} of ${total} files`);
}

/** Prints a failure without a stack trace and returns the exit code.
 * @param {unknown} error
 * @returns {number} */
export function reportFailure(error) {
  if (error instanceof SetupError) {
    if (error.output.trim() !== "") process.stderr.write(`${error.output.trimEnd()}\n`);
    process.stderr.write(`set-up: ${error.message}\n`);
    return error.exitCode;
  }
  const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
  // The operating system's refusals (EACCES, ENOSPC, …) name the file and the reason themselves. Anything
  // else is a mistake in these scripts, and then the trace is what a report of it needs.
  if (code !== undefined && /^E[A-Z]+$/.test(code)) process.stderr.write(`set-up: ${message}\n`);
  else process.stderr.write(`set-up: ${error instanceof Error ? error.stack : String(error)}\n`);
  return 1;
}
