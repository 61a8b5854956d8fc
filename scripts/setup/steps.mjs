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
 * What computes.
 * @typedef {object} Engine
 * @property {SystemPackage[]} missing   what has to come from the system's packages
 * @property {boolean} native            the addon is up to date
 * @property {Torch | null} torch
 * @property {Compiler | null} compiler
 * @property {string[]} notes
 * @property {import("../findTorch.mjs").PythonAnswer | undefined} python
 */

/**
 * What a checkout needs besides.
 * @typedef {object} Checkout
 * @property {boolean} packages          the npm packages are installed
 * @property {boolean} typescript        dist/src and dist/bench are up to date
 * @property {boolean} web               dist/web is up to date
 */

/** @typedef {Engine & Checkout} State */

/**
 * Looks at what is there, and changes nothing.
 * @param {string} root
 * @param {{ env?: NodeJS.ProcessEnv, systemPrefixes?: readonly string[] }} [options]
 * @returns {Promise<Engine>}
 */
export async function inspectEngine(root, { env = process.env, systemPrefixes } = {}) {
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
    missing,
    native:
      torch !== null &&
      compiler !== null &&
      existsSync(addonFile(root)) &&
      stamp.native === nativeKey(root, torch, compiler),
    torch,
    compiler,
    notes,
    python,
  };
}

/**
 * The same of a whole checkout.
 * @param {string} root
 * @param {{ env?: NodeJS.ProcessEnv, systemPrefixes?: readonly string[] }} [options]
 * @returns {Promise<State>}
 */
export async function inspect(root, options = {}) {
  const stamp = readStamp(root);
  return {
    ...(await inspectEngine(root, options)),
    packages: packagesReady(root, stamp),
    typescript: stamp.typescript === typeScriptKey(root) && outputsExist(root),
    web: stamp.web === webKey(root) && pagesExist(root),
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

  const engine = await completeEngine(root, before);
  if (!before.typescript) await buildTypeScript(root);
  if (!before.web) await buildWeb(root);
  return { ...before, ...engine };
}

/**
 * Installs what is missing and compiles the addon, where that is left to do.
 * @param {string} root
 * @param {Engine} before
 * @returns {Promise<Engine & { torch: Torch }>}
 */
export async function completeEngine(root, before) {
  let engine = before;
  if (before.missing.length > 0) {
    for (const note of before.notes) say(note);
    engine = await completeSystem(root, before);
  }
  const { torch, compiler } = engine;
  if (torch === null || compiler === null) throw new SetupError(advice(engine.missing, thisMachine()));
  if (!engine.native) await buildNative(root, torch, compiler);
  return { ...engine, torch };
}

/**
 * @param {string} root
 * @param {Engine} before
 * @returns {Promise<Engine>}
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
  const after = await inspectEngine(root);
  if (after.missing.includes("libopenblas0-openmp") && after.torch !== null)
    say(
      `warning: libblas.so.3 is still the slow reference one. Run: ${machine.root ? "" : "sudo "}update-alternatives --auto libblas.so.3-${path.basename(after.torch.libDirs[0] ?? "")}`,
    );
  return after;
}
