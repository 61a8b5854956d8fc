// The built pages: dist/web and nothing else.

import { readdir } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { basename, extname, join, relative, sep } from "node:path";
import { UserError } from "../system/errors.js";
import { browserEngineFile, engineNames } from "../system/webAssets.js";
import { HttpError, sendFileAs } from "./http.js";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".wasm": "application/wasm",
  ".onnx": "application/octet-stream",
};

/** Gives out the files that are in a folder when it is made; a name that is not among them does not exist. */
export class StaticFiles {
  readonly #files: ReadonlyMap<string, string>;

  private constructor(files: ReadonlyMap<string, string>) {
    this.#files = files;
  }

  static async open(folder: string): Promise<StaticFiles> {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
    const files = entries
      .filter((entry) => entry.isFile() && extname(entry.name) in types)
      .map((entry) => join(entry.parentPath, entry.name));
    return new StaticFiles(
      new Map(files.map((file) => [`/${relative(folder, file).split(sep).join("/")}`, file])),
    );
  }

  has(path: string): boolean {
    return this.#files.has(path);
  }

  /** @throws HttpError 404 */
  async send(response: ServerResponse, path: string): Promise<void> {
    const file = this.#files.get(path) ?? engineOf(path);
    if (file === undefined) throw new HttpError(404, "there is no such page");
    // Vite puts a hash of the content into the names of assets.
    const caching = path.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache";
    await sendFileAs(response, file, { type: types[extname(file)] ?? "application/octet-stream", caching });
  }
}

/** The browser's engine where it is another package's. @throws HttpError 404 that says how to install it */
function engineOf(path: string): string | undefined {
  const name = basename(path);
  if (name.match(engineNames)?.[0] !== name || path !== `/assets/${name}`) return undefined;
  try {
    return browserEngineFile(name);
  } catch (error) {
    throw error instanceof UserError ? new HttpError(404, error.message) : error;
  }
}
