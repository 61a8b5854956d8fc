// Ctrl-C: the work ends after what it is at, the second time at once.

export interface StopSignal {
  /** Set when the user wants the command to end. */
  signal: string | undefined;
  /** Back to what signals do by themselves. */
  ignore(): void;
}

/**
 * Ctrl-C and SIGTERM ask the work to stop; a second one ends the process at once.
 * @param onStop called at the first one, to say what happens now
 */
export function watchSignals(onStop: () => void): StopSignal {
  const stop: StopSignal = {
    signal: undefined,
    ignore: () => {
      process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    },
  };
  const onSignal = (signal: string) => {
    if (stop.signal !== undefined) process.exit(exitCodeOf(stop));
    stop.signal = signal;
    onStop();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  return stop;
}

/** What a shell expects of a process that a signal ended. */
export function exitCodeOf({ signal }: StopSignal): number {
  return signal === "SIGTERM" ? 143 : 130;
}
