// The static page that explores a model: web/explorer.html as it was built, and the models beside it.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { writeError, writeFileAtomically } from "../../system/atomicFile.js";
import { UserError } from "../../system/errors.js";
import { browserEngineFile, engineNames, webFolder } from "../../system/webAssets.js";
import type { OnnxModels } from "./export.js";
import { writeOnnx } from "./files.js";

/** Of one built page, without the folders; each has a hash in its name. */
const assetsFolder = "assets";
const modelFolder = "model";

/**
 * Writes a folder that any static host serves: index.html, what it needs, and the models.
 * @returns the folder's size in bytes
 * @throws UserError when the folder holds another page, or cannot be written
 */
export function writePage(folder: string, models: OnnxModels): number {
  if (existsSync(join(folder, "index.html")) && !existsSync(join(folder, modelFolder, "model.json")))
    throw new UserError(`folder ${folder} holds another page (index.html); choose another folder`);
  const built = webFolder();
  const html = readFileSync(join(built, "explorer.html"));
  const assets = assetsOf(html.toString(), join(built, assetsFolder));
  makeFolder(join(folder, assetsFolder));
  makeFolder(join(folder, modelFolder));
  for (const [name, bytes] of assets) writeFileAtomically(join(folder, assetsFolder, name), bytes);
  writeOnnx(join(folder, modelFolder), models);
  // Last, so that a page that is there has all it needs.
  writeFileAtomically(join(folder, "index.html"), html);
  // What an earlier export left there, by another version of this program.
  for (const name of readdirSync(join(folder, assetsFolder)))
    if (!assets.has(name)) rmSync(join(folder, assetsFolder, name));
  const bytes = [...assets.values()].reduce((sum, asset) => sum + asset.length, html.length);
  return bytes + models.mapping.length + models.synthesis.length;
}

/** The files that a page needs: those that it names, those that these name, and so on. */
function assetsOf(html: string, folder: string): Map<string, Buffer> {
  const needed = new Map<string, Buffer>();
  const texts = [html];
  const names = readdirSync(folder).filter((name) => !name.endsWith(".wasm"));
  for (let text = texts.pop(); text !== undefined; text = texts.pop()) {
    for (const [name] of text.matchAll(engineNames)) needed.set(name, readFileSync(browserEngineFile(name)));
    for (const name of names) {
      if (needed.has(name) || !text.includes(name)) continue;
      const bytes = readFileSync(join(folder, name));
      needed.set(name, bytes);
      if (/\.(js|css)$/.test(name)) texts.push(bytes.toString());
    }
  }
  return needed;
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" || code === "ENOTDIR")
      throw new UserError(
        `folder ${folder}: a file of the name ${basename(folder)} is in the way; choose another folder`,
      );
    throw writeError(folder, error);
  }
}
