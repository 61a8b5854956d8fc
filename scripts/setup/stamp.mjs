/**
 * The stamp `setup.json` in the build folder: what was there when each part was last built successfully. A part is removed from it
 * before it is rebuilt and added after, so that an interrupted build always counts as not done.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { buildFolder } from "./buildFolder.mjs";

const FORMAT = 1;

/**
 * @typedef {object} Stamp
 * @property {string} [packages]    hash of package-lock.json and of what npm says it installed
 * @property {import("../findTorch.mjs").PythonAnswer} [python]
 * @property {string} [native]      key of the addon in build/native
 * @property {string} [sanitize]    key of the addon in build/sanitize
 * @property {string} [typescript]  key of the sources that dist/src and dist/bench were built from
 * @property {string} [web]         key of the sources that dist/web was built from
 */

/** @param {string} root
 * @returns {string} */
const stampFile = (root) => path.join(buildFolder(root), "setup.json");

/** @param {string} root
 * @returns {Stamp} */
export function readStamp(root) {
  try {
    const { format, ...stamp } = JSON.parse(readFileSync(stampFile(root), "utf8"));
    return format === FORMAT ? stamp : {};
  } catch {
    return {}; // none yet, or not readable: everything is looked at afresh
  }
}

/** Adds to the stamp; an `undefined` value removes that part.
 * @param {string} root
 * @param {{ [K in keyof Stamp]: Stamp[K] | undefined }} changes */
export function updateStamp(root, changes) {
  const file = stampFile(root);
  mkdirSync(path.dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.tmp`;
  const text = JSON.stringify({ format: FORMAT, ...readStamp(root), ...changes }, null, 1);
  writeFileSync(temporary, `${text}\n`);
  renameSync(temporary, file);
}

/** Every file under `folder` (absolute paths, sorted); none if there is no such folder.
 * @param {string} folder
 * @returns {string[]} */
export function filesUnder(folder) {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries
    .flatMap((entry) => {
      const file = path.join(folder, entry.name);
      return entry.isDirectory() ? filesUnder(file) : [file];
    })
    .sort();
}

/** A short hash of texts, kept apart so that moving a character from one to the next changes it.
 * @param {string[]} parts
 * @returns {string} */
export function hashOf(parts) {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length}:${part};`);
  return hash.digest("hex").slice(0, 20);
}

/** A hash of files' names and contents. Names are relative to `root`, so a moved checkout stays built.
 * @param {string} root
 * @param {string[]} files
 * @returns {string} */
export function hashOfFiles(root, files) {
  return hashOf(files.flatMap((file) => [path.relative(root, file), readFileSync(file, "latin1")]));
}

/** Tells a replaced file from the old one without reading it: libraries have hundreds of megabytes.
 * @param {string} file
 * @returns {string} */
export function fileIdentity(file) {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats === undefined ? `${file} none` : `${file} ${stats.size} ${stats.mtimeMs}`;
}
