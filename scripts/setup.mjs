/**
 * Set-up: finds or installs everything, builds what is stale, and is quick when nothing is to do.
 *
 *     node scripts/setup.mjs [--quiet]    --quiet prints only when something is being done
 *
 * Only this file and the two of ours it imports are loaded before the Node version is checked; the others use what old versions
 * do not know.
 */
import { realpathSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { checkNode } from "./setup/checkNode.mjs";
import { reportFailure, SetupError } from "./setup/console.mjs";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

/**
 * Makes the checkout ready to run; for tests and other scripts, too.
 * @param {{ quiet?: boolean }} [options]
 * @returns {Promise<void>} rejects with a SetupError, whose message says what is missing and the command that mends it
 */
export async function setup({ quiet = false } = {}) {
  checkNode(root);
  const { runSteps } = await import("./setup/steps.mjs");
  await runSteps(root, { quiet });
}

/** @param {string[]} args */
async function main(args) {
  const unknown = args.find((arg) => arg !== "--quiet");
  if (unknown !== undefined)
    throw new SetupError(`unknown option ${unknown}. Run: node scripts/setup.mjs [--quiet]`, { exitCode: 2 });
  checkNode(root);
  await setup({ quiet: args.includes("--quiet") });
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main(process.argv.slice(2)).catch((error) => {
    process.exitCode = reportFailure(error);
  });
}
