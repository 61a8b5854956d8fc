/** Builds the pages of web/ to dist/web. */
import { existsSync } from "node:fs";
import path from "node:path";
import { SetupError, say } from "./setup/console.mjs";
import { run } from "./setup/run.mjs";
import { filesUnder, hashOfFiles, updateStamp } from "./setup/stamp.mjs";

/** Where web/ imports from src/. */
const shared = ["src/protocol", "src/numpy"];

/** @param {string} root */
const pages = (root) =>
  filesUnder(path.join(root, "web")).filter((file) =>
    path.relative(path.join(root, "web"), file).match(/^[^/]+\.html$/),
  );

/**
 * Everything that dist/web depends on, as one hash.
 * @param {string} root
 * @returns {string}
 */
export function webKey(root) {
  const files = [
    ...["tsconfig.json", "package-lock.json"].map((name) => path.join(root, name)),
    ...["web", ...shared].flatMap((name) => filesUnder(path.join(root, name))),
  ];
  return hashOfFiles(
    root,
    files.filter((file) => existsSync(file)),
  );
}

/** Whether every page is there, in case someone removed dist/.
 * @param {string} root */
export function pagesExist(root) {
  return pages(root).every((page) => existsSync(path.join(root, "dist", "web", path.basename(page))));
}

/** @param {string} root */
export async function buildWeb(root) {
  const key = webKey(root); // before building: a source saved meanwhile counts as changed
  updateStamp(root, { web: undefined });
  say("building the web pages …");
  const vite = path.join(root, "node_modules", "vite", "bin", "vite.js");
  const { code, output } = await run(process.execPath, [vite, "build", "--config", "web/vite.config.ts"], {
    cwd: root,
  });
  if (code !== 0)
    throw new SetupError(
      "the web pages do not build; the messages are above. Mend them and run: npm run setup",
      { output },
    );
  updateStamp(root, { web: key });
}
