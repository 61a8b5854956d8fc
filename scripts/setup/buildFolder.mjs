/**
 * Where what is compiled is kept: `build/` of a checkout. A package that npm installed may lie where its user cannot write, and npm
 * removes it at every update: there it is a cache folder of the user's.
 */
import { existsSync, readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

/** Whether `root` is the package as npm installs it, without sources of TypeScript.
 * @param {string} root */
export function isInstalledPackage(root) {
  return existsSync(path.join(root, "dist", "src", "index.js")) && !existsSync(path.join(root, "src"));
}

/**
 * @param {string} root
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {string}
 */
export function buildFolder(root, env = process.env) {
  if (!isInstalledPackage(root)) return path.join(root, "build");
  const { version } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
  const cache = env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache");
  return path.join(cache, "stylegan", `engine-${version}-${process.platform}-${process.arch}`);
}
