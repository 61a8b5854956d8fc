/**
 * The engine of an installed package: finds libtorch, asks before it installs what is missing, compiles the addon into the user's
 * cache folder, and writes down there what a program compares before it loads it.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline/promises";
import { addonFile } from "../buildNative.mjs";
import { buildFolder } from "./buildFolder.mjs";
import { SetupError, say } from "./console.mjs";
import { withLock } from "./lock.mjs";
import { findOnPath, stoppable } from "./run.mjs";
import { fileIdentity, updateStamp } from "./stamp.mjs";
import { completeEngine, inspectEngine } from "./steps.mjs";
import { aptCommand, thisMachine } from "./systemPackages.mjs";

/** @typedef {import("./steps.mjs").Engine} Engine */

/**
 * What src/torch/addonFile.ts reads: the addon that fits as long as nothing of this has changed.
 * @typedef {object} EngineFile
 * @property {string} addon
 * @property {string | null} libtorch  `$LIBTORCH`
 * @property {string | null} python    the python3 of the PATH
 * @property {[string, string][]} watched  files and identities of libtorch's files and of the folders that python3 looks for packages in
 */

/**
 * @param {string} root
 * @param {{ consent: "yes" | "ask" | "no" }} options  to install packages of the system
 * @returns {Promise<void>}
 */
export async function setupEngine(root, { consent }) {
  const engine = await withLock(root, () =>
    stoppable(async () => {
      const before = await inspectEngine(root);
      updateStamp(root, { python: before.python });
      // Without a fast BLAS it works, slowly: a reason to ask, and none to stop.
      const slow = before.missing.every((name) => name === "libopenblas0-openmp");
      if (before.missing.length === 0 || (await mayInstall(before.missing, consent)))
        return completeEngine(root, before);
      if (slow) return completeEngine(root, { ...before, missing: [] });
      throw new SetupError(refusal(before.missing), { exitCode: 2 });
    }),
  );
  const { torch, python } = engine;
  /** @type {EngineFile} */
  const file = {
    addon: addonFile(root),
    libtorch: process.env.LIBTORCH || null,
    python: findOnPath("python3"),
    watched: [...torch.libFiles, ...(python?.searched ?? [])].map((name) => [name, fileIdentity(name)]),
  };
  writeFileSync(path.join(buildFolder(root), "engine.json"), `${JSON.stringify(file)}\n`);
}

/**
 * @param {Engine["missing"]} missing
 * @param {"yes" | "ask" | "no"} consent
 */
async function mayInstall(missing, consent) {
  const machine = thisMachine();
  // Elsewhere nothing is installed; the advice that follows names a command.
  if (machine.kind !== "debian" || consent === "yes") return true;
  say(`this needs Debian packages that are not there: ${missing.join(", ")}`);
  say(`to be run: ${aptCommand(missing, machine)}`);
  if (consent === "no" || !process.stdin.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question("Install them now? [y/N] ");
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

/** @param {Engine["missing"]} missing */
function refusal(missing) {
  return `nothing was installed; ${missing.join(", ")} missing. Run: npx stylegan setup --yes, or give the folder of a libtorch in $LIBTORCH`;
}
