/**
 * Format and lint of native/: clang-format and cppcheck, which on Debian are installed where they are missing.
 *
 *     node scripts/lintNative.mjs            reports
 *     node scripts/lintNative.mjs --write    formats
 *
 * Elsewhere, and where nothing can be installed, a line says what is left out.
 */
import { realpathSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { SetupError } from "./setup/console.mjs";
import { findOnPath, run, stoppable } from "./setup/run.mjs";
import { filesUnder } from "./setup/stamp.mjs";
import { installSystemPackages, thisMachine } from "./setup/systemPackages.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

// Every release lays some lines out in another way: the one of Debian 12.
const formatRelease = "14";

const cppcheckFlags = [
  "--enable=warning,performance,portability",
  "--std=c++17",
  "--language=c++",
  "--inline-suppr",
  "--quiet",
  "--error-exitcode=1",
  // libtorch's headers are not read: they take minutes. Its macros that define functions.
  "-DTORCH_LIBRARY_FRAGMENT(space,library)=void define(torch::Library& library)",
  "-DTORCH_LIBRARY_IMPL(space,key,library)=void implement##key(torch::Library& library)",
];

/**
 * @param {"clang-format" | "cppcheck"} name
 * @returns {Promise<boolean>} whether it is there now
 */
async function provide(name) {
  if (findOnPath(name) !== null) return true;
  const machine = thisMachine();
  if (machine.kind !== "debian") return leftOut(name, "it is not on the PATH");
  try {
    await stoppable(() => installSystemPackages([name], machine));
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return leftOut(name, error.message);
  }
  return findOnPath(name) !== null || leftOut(name, "it is not on the PATH");
}

/** @param {string} name
 * @param {string} reason */
function leftOut(name, reason) {
  console.log(`native/: ${name} is left out: ${reason}`);
  return false;
}

/**
 * Runs a tool on files and shows what it says where it fails.
 * @param {string} program
 * @param {string[]} args
 */
async function passes(program, args) {
  const { code, output } = await run(program, args, { cwd: root });
  if (code !== 0) process.stderr.write(output);
  return code === 0;
}

/**
 * @param {{ write?: boolean }} [options]
 * @returns {Promise<boolean>} whether all is well
 */
export async function lintNative({ write = false } = {}) {
  const files = filesUnder(path.join(root, "native")).map((file) => path.relative(root, file));
  let ok = true;
  if (await provide("clang-format")) {
    const { stdout } = await run("clang-format", ["--version"]);
    const release = /version (\d+)/.exec(stdout)?.[1];
    if (release !== formatRelease)
      leftOut("clang-format", `this is release ${release}, the layout is of ${formatRelease}`);
    else ok = await passes("clang-format", [...(write ? ["-i"] : ["--dry-run", "--Werror"]), ...files]);
  }
  const sources = files.filter((file) => file.endsWith(".cc"));
  if (!write && (await provide("cppcheck")))
    ok = (await passes("cppcheck", [...cppcheckFlags, ...sources])) && ok;
  return ok;
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url))
  process.exitCode = (await lintNative({ write: process.argv.includes("--write") })) ? 0 : 1;
