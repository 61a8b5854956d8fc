// The action of a command is a module of its own, which is loaded when the command runs: help and errors of the command line need
// neither libtorch nor networks, and come at once.

/**
 * @param load imports a module whose `run` takes the command's arguments and options
 * @param check throws a UserError where these do not go together; called before anything is loaded
 */
export function whenRun<Given extends unknown[]>(
  load: () => Promise<{ run: (...given: Given) => void | Promise<void> }>,
  check: (...given: Given) => void = () => {},
): (...given: Given) => Promise<void> {
  return async (...given) => {
    check(...given);
    const { run } = await load();
    await run(...given);
  };
}
