/** Compiles src/, bench/ and examples/ to dist/. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { SetupError, say } from "./setup/console.mjs";
import { run } from "./setup/run.mjs";
import { filesUnder, hashOfFiles, updateStamp } from "./setup/stamp.mjs";

/** @param {string} root */
const sourceFiles = (root) =>
  ["src", "bench", "examples"]
    .flatMap((folder) => filesUnder(path.join(root, folder)))
    .filter((file) => file.endsWith(".ts"));

/** @param {string} root
 * @param {string} source */
const outputOf = (root, source) =>
  path.join(root, "dist", path.relative(root, source).replace(/\.ts$/, ".js"));

/**
 * Everything that dist/ depends on, as one hash.
 * @param {string} root
 * @returns {string}
 */
export function typeScriptKey(root) {
  const settings = readdirSync(root).filter(
    (name) => /^tsconfig.*\.json$/.test(name) || name === "package-lock.json",
  );
  return hashOfFiles(root, [...settings.sort().map((name) => path.join(root, name)), ...sourceFiles(root)]);
}

/** Whether every source has its output, in case someone removed some of dist/.
 * @param {string} root */
export function outputsExist(root) {
  return sourceFiles(root)
    .filter((file) => !file.endsWith(".d.ts"))
    .every((file) => existsSync(outputOf(root, file)));
}

/** @param {string} root */
export async function buildTypeScript(root) {
  const key = typeScriptKey(root); // before compiling: a source saved meanwhile counts as changed
  say("compiling the TypeScript sources …");
  updateStamp(root, { typescript: undefined });
  // tsc neither removes the output of a source that is gone nor restores an output that it believes to have written.
  const wanted = new Set(sourceFiles(root).map((file) => outputOf(root, file)));
  const folders = ["src", "bench", "examples"].map((folder) => path.join(root, "dist", folder));
  const present = folders.flatMap(filesUnder).filter((file) => file.endsWith(".js"));
  if (!outputsExist(root) || present.some((file) => !wanted.has(file))) {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    rmSync(path.join(root, "build", "tsconfig.tsbuildinfo"), { force: true });
  }
  const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
  const { code, output } = await run(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: root });
  if (code !== 0)
    throw new SetupError(
      "the TypeScript sources do not compile; the compiler's messages are above. Mend them and run: npm run setup",
      { output },
    );
  updateStamp(root, { typescript: key });
}
