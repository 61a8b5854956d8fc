// Work that takes a while: a bar that moves, and Ctrl-C that ends it after what it is at.

import { createProgress } from "./progress.js";
import { exitCodeOf, watchSignals } from "./signals.js";

export interface LongWork {
  /** So many of the total are done. `note` stands at the end of the bar, a loss for example. */
  update(done: number, note?: string): void;
  /** Whether the user wants it to end. */
  readonly isStopping: boolean;
}

/**
 * Runs `body`, which asks `isStopping` after each of its parts. When the user ended it before `total` was done, the
 * process's exit code will say so.
 */
export async function longWork<T>(
  { total, unit, onStop }: { total: number; unit: string; onStop: string },
  body: (work: LongWork) => Promise<T>,
): Promise<T> {
  const progress = createProgress({ stream: process.stdout, total, unit });
  const stop = watchSignals(() => {
    progress.finish();
    process.stderr.write(`${onStop} Once more ends at once.\n`);
  });
  let done = 0;
  try {
    return await body({
      update(now, note) {
        done = now;
        progress.update(now, note);
      },
      get isStopping() {
        return stop.signal !== undefined;
      },
    });
  } finally {
    progress.finish();
    stop.ignore();
    if (stop.signal !== undefined && done < total) process.exitCode = exitCodeOf(stop);
  }
}
