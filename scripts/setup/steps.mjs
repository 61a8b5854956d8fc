/** The steps of set-up, in order, and what is left of them to do. */
import { existsSync } from "node:fs";
import path from "node:path";
import { addonFile, buildNative, nativeKey } from "../buildNative.mjs";
import { buildTypeScript, outputsExist, typeScriptKey } from "../buildTypeScript.mjs";
import { buildWeb, pagesExist, webKey } from "../buildWeb.mjs";
import { findCompiler } from "../findCompiler.mjs";
import { findTorch } from "../findTorch.mjs";
import { blasOf } from "./blas.mjs";
import { SetupError, say } from "./console.mjs";
import { withLock } from "./lock.mjs";
import { installPackages, packagesReady } from "./npmPackages.mjs";
import { stoppable } from "./run.mjs";
import { readStamp, updateStamp } from "./stamp.mjs";
import { advice, aptCommand, installSystemPackages, thisMachine } from "./systemPackages.mjs";

/** @typedef {import("../findTorch.mjs").Torch} Torch */
/** @typedef {import("../findCompiler.mjs").Compiler} Compiler */
/** @typedef {import("./systemPackages.mjs").SystemPackage} SystemPackage */

/**
 * @typedef {object} State
 * @property {boolean} packages          the npm packages are installed
 * @property {SystemPackage[]} missing   what has to come from the system's packages
 * @property {boolean} native            the addon is up to date
 * @property {boolean} typescript        dist/src and dist/bench are up to date
 * @property {boolean} web               dist/web is up to date
 * @property {Torch | null} torch
 * @property {Compiler | null} compiler
 * @property {string[]} notes
 * @property {import("../findTorch.mjs").PythonAnswer | undefined} python
 */

/**
 * Looks at what is there, and changes nothing.
 * @param {string} root
 * @param {{ env?: NodeJS.ProcessEnv, systemPrefixes?: readonly string[] }} [options]
 * @returns {Promise<State>}
 */
export async function inspect(root, { env = process.env, systemPrefixes } = {}) {
  const stamp = readStamp(root);
  const { torch, python, notes } = await findTorch({
    env,
    cached: stamp.python,
    ...(systemPrefixes === undefined ? {} : { systemPrefixes }),
  });
  const compiler = findCompiler(env);
  /** @type {SystemPackage[]} */
  const missing = [];
  if (torch === null) missing.push("libtorch-dev", "libopenblas0-openmp");
  else if (blasOf(torch) === "reference") missing.push("libopenblas0-openmp");
  if (compiler === null) missing.push("g++");
  return {
    packages: packagesReady(root, stamp),
    missing,
    native:
      torch !== null &&
      compiler !== null &&
      existsSync(addonFile(root)) &&
      stamp.native === nativeKey(root, torch, compiler),
    typescript: stamp.typescript === typeScriptKey(root) && outputsExist(root),
    web: stamp.web === webKey(root) && pagesExist(root),
    torch,
    compiler,
    notes,
    python,
  };
}

/** What is left to do, in words, in the order of doing it.
 * @param {State} state
 * @returns {string[]} */
export function leftToDo(state) {
  return [
    ...(state.packages ? [] : ["npm packages"]),
    ...state.missing,
    ...(state.native ? [] : ["native addon"]),
    ...(state.typescript ? [] : ["TypeScript"]),
    ...(state.web ? [] : ["web pages"]),
  ];
}

/**
 * @param {string} root
 * @param {{ quiet: boolean }} options
 */
export async function runSteps(root, { quiet }) {
  let state = await inspect(root);
  if (leftToDo(state).length > 0 || readStamp(root).python?.key !== state.python?.key) {
    // Looked at again under the lock: another set-up may have done it all while this one waited.
    state = await withLock(root, () => stoppable(() => doWhatIsLeft(root)));
  }
  const { torch } = state;
  if (quiet || torch === null) return;
  const origin = { LIBTORCH: "of $LIBTORCH", python3: "of python3", system: "of the system" }[torch.origin];
  say(`ready (libtorch ${torch.version} ${origin}${torch.cuda ? ", with CUDA" : ""})`);
}

/**
 * @param {string} root
 * @returns {Promise<State>}
 */
async function doWhatIsLeft(root) {
  const before = await inspect(root);
  updateStamp(root, { python: before.python });
  if (!before.packages) await installPackages(root);

  let state = before;
  if (before.missing.length > 0) {
    for (const note of before.notes) say(note);
    state = await completeSystem(root, before);
  }
  const { torch, compiler } = state;
  if (torch === null || compiler === null) throw new SetupError(advice(state.missing, thisMachine()));
  if (!state.native) await buildNative(root, torch, compiler);
  if (!state.typescript) await buildTypeScript(root);
  if (!state.web) await buildWeb(root);
  return state;
}

/**
 * @param {string} root
 * @param {State} before
 * @returns {Promise<State>}
 */
async function completeSystem(root, before) {
  const machine = thisMachine();
  const onlySlow = before.missing.every((name) => name === "libopenblas0-openmp");
  try {
    await installSystemPackages(before.missing, machine);
  } catch (error) {
    if (!onlySlow || !(error instanceof SetupError)) throw error;
    // It works without, a hundred times more slowly: no reason to lock out a user who may not install packages.
    say(
      `warning: libtorch multiplies matrices with the slow reference BLAS. Run: ${aptCommand(before.missing, machine)}`,
    );
    return before;
  }
  const after = await inspect(root);
  if (after.missing.includes("libopenblas0-openmp") && after.torch !== null)
    say(
      `warning: libblas.so.3 is still the slow reference one. Run: ${machine.root ? "" : "sudo "}update-alternatives --auto libblas.so.3-${path.basename(after.torch.libDirs[0] ?? "")}`,
    );
  return after;
}
