/**
 * Sets the engine of an installed package up; src/torch/addonFile.ts runs it where there is none that fits.
 *
 *     node scripts/engine.mjs yes|ask|no    whether packages of the system may be installed
 */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { reportFailure } from "./setup/console.mjs";
import { setupEngine } from "./setup/engine.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const consent = process.argv[2];
setupEngine(root, { consent: consent === "yes" || consent === "ask" ? consent : "no" }).catch((error) => {
  process.exitCode = reportFailure(error);
});
