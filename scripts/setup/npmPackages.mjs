/** The npm packages: are those of package-lock.json installed, and installing them. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { SetupError, say } from "./console.mjs";
import { findOnPath, run } from "./run.mjs";
import { hashOf, updateStamp } from "./stamp.mjs";

/** npm writes this list last, after every package is in place: without it an installation is not complete.
 * @param {string} root */
const installedList = (root) => path.join(root, "node_modules", ".package-lock.json");

/** @param {string} root
 * @returns {string | null} null: nothing is installed */
export function packagesKey(root) {
  if (!existsSync(installedList(root))) return null;
  return hashOf([
    readFileSync(path.join(root, "package-lock.json"), "utf8"),
    readFileSync(installedList(root), "utf8"),
  ]);
}

/**
 * Whether what npm says it installed is what package-lock.json asks for. This accepts an installation that was not
 * made by set-up (`npm install new-package`), instead of deleting and repeating it.
 * @param {string} root
 * @returns {boolean}
 */
function installedMatchesLock(root) {
  const read = (/** @type {string} */ file) => JSON.parse(readFileSync(file, "utf8")).packages ?? {};
  const wanted = read(path.join(root, "package-lock.json"));
  const installed = read(installedList(root));
  return Object.entries(wanted).every(([name, entry]) => {
    if (name === "") return true; // this project itself
    const found = installed[name];
    // Optional packages are mostly those of other platforms.
    if (found === undefined)
      return entry.optional === true || entry.devOptional === true || entry.peer === true;
    return found.version === entry.version && found.integrity === entry.integrity;
  });
}

/**
 * @param {string} root
 * @param {import("./stamp.mjs").Stamp} stamp
 * @returns {boolean}
 */
export function packagesReady(root, stamp) {
  const key = packagesKey(root);
  if (key === null) return false;
  if (stamp.packages === key) return true;
  try {
    return installedMatchesLock(root);
  } catch {
    return false;
  }
}

/** @param {string} root */
export async function installPackages(root) {
  if (findOnPath("npm") === null)
    throw new SetupError("npm is not on the PATH. Install Node.js with npm: https://nodejs.org", {
      exitCode: 2,
    });
  say("installing the npm packages (npm ci) …");
  updateStamp(root, { packages: undefined });
  rmSync(installedList(root), { force: true }); // so that an interrupted `npm ci` is seen as one
  // --include=dev: the compiler is a development dependency, and NODE_ENV=production would leave it out.
  const args = ["ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"];
  const { code, output } = await run("npm", args, { cwd: root });
  if (code !== 0) {
    const reason = output.includes("EUSAGE")
      ? "package-lock.json does not belong to package.json (npm's list is above)"
      : "npm ci failed; its message is above";
    throw new SetupError(`${reason}. Run: npm install`, { output: withoutUsage(output) });
  }
  const key = packagesKey(root);
  updateStamp(root, { packages: key ?? undefined });
}

/** npm ends some messages with a page of its options.
 * @param {string} output */
function withoutUsage(output) {
  return output.split(/^npm (?:error|ERR!) (?:Clean install a project|Usage:)/m)[0] ?? output;
}
