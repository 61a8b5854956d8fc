/** The Node version check. Written for old versions of Node to read: it has to run there to say that they are too old. */
import { readFileSync } from "node:fs";
import { SetupError } from "./console.mjs";

/**
 * @param {string} root
 * @param {string} [version]
 */
export function checkNode(root, version = process.versions.node) {
  const wanted = JSON.parse(readFileSync(`${root}/package.json`, "utf8")).engines.node.replace(
    /^[^0-9]*/,
    "",
  );
  const [wantedMajor, wantedMinor = 0] = wanted.split(".").map(Number);
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return;
  throw new SetupError(
    `Node.js ${version} is too old, ${wanted} or later is needed. Install it from https://nodejs.org, or: nvm install --lts`,
    { exitCode: 2 },
  );
}
