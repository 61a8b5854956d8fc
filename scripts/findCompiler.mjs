/** Finds the C++ compiler: `$CXX`, else c++, g++ or clang++. */
import { realpathSync } from "node:fs";
import { SetupError } from "./setup/console.mjs";
import { findOnPath } from "./setup/run.mjs";

/**
 * @typedef {object} Compiler
 * @property {string} program
 * @property {string[]} args  from `$CXX="ccache g++"`
 * @property {string} file    the real file, to notice an upgrade
 */

/**
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Compiler | null}
 */
export function findCompiler(env = process.env) {
  const [named, ...args] = (env.CXX ?? "").split(" ").filter((word) => word !== "");
  if (named !== undefined) {
    const program = findOnPath(named, env);
    if (program === null)
      throw new SetupError(
        `$CXX is "${env.CXX}", and there is no such compiler. Mend it, or run: unset CXX`,
        {
          exitCode: 2,
        },
      );
    return { program, args, file: realpathSync(program) };
  }
  for (const name of ["c++", "g++", "clang++"]) {
    const program = findOnPath(name, env);
    if (program !== null) return { program, args: [], file: realpathSync(program) };
  }
  return null;
}
