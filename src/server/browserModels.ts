// Snapshots for the browser's own engine: the explorer's page with a snapshot's generator as ONNX, exported when it is
// first asked for.

import { mkdtempSync, rmSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Client } from "./clients.js";
import { fileState } from "./files.js";
import type { Frames } from "./frames.js";
import { decoded, HttpError, sendFileAs } from "./http.js";
import type { Runs } from "./runs.js";
import { snapshotFile } from "./snapshotFile.js";
import type { StaticFiles } from "./static.js";

// Exported models stay on disk, not in memory; of the oldest the folder is removed.
const mostModels = 3;
const modelFiles = /^model\/(model\.json|mapping\.onnx|synthesis\.onnx)$/;

export class BrowserModels {
  readonly #runs: Runs;
  readonly #frames: Frames;
  readonly #pages: StaticFiles;
  readonly #root = mkdtempSync(join(tmpdir(), "stylegan-models-"));
  /** Folders by snapshot and version, the latest used last. */
  readonly #folders = new Map<string, Promise<string>>();

  constructor({ runs, frames, pages }: { runs: Runs; frames: Frames; pages: StaticFiles }) {
    this.#runs = runs;
    this.#frames = frames;
    this.#pages = pages;
  }

  /** @param path after /browser/: a run, a snapshot, and a file of the page. @throws HttpError 404 */
  async send(response: ServerResponse, path: string, client: Client): Promise<void> {
    const match = /^([^/]+)\/([^/]+)\/(.*)$/.exec(path);
    const run = match && (await this.#runs.find(decoded(match[1] as string)));
    if (!match || !run) throw new HttpError(404, "there is no such run");
    const file = await snapshotFile(run, match[2] as string);
    const rest = match[3] as string;
    if (!modelFiles.test(rest)) {
      await this.#pages.send(response, rest === "" ? "/explorer.html" : `/${rest}`);
      return;
    }
    const folder = await this.#exported(file, client);
    const type = rest.endsWith(".json") ? "application/json" : "application/octet-stream";
    await sendFileAs(response, join(folder, basename(rest)), { type, caching: "no-cache" });
  }

  close(): void {
    rmSync(this.#root, { recursive: true, force: true });
  }

  #exported(file: string, client: Client): Promise<string> {
    return fileState(file).then((state) => {
      const key = `${file} ${state?.mtimeMs} ${state?.size}`;
      const folder = this.#folders.get(key) ?? this.#export(file, client);
      this.#folders.delete(key);
      this.#folders.set(key, folder);
      folder.catch(() => this.#folders.delete(key));
      for (const [oldest, made] of this.#folders) {
        if (this.#folders.size <= mostModels) break;
        this.#folders.delete(oldest);
        made.then(
          (unused) => rmSync(unused, { recursive: true, force: true }),
          () => {},
        );
      }
      return folder;
    });
  }

  async #export(file: string, client: Client): Promise<string> {
    const folder = mkdtempSync(join(this.#root, "model-"));
    // Whoever has gone: the next to ask finds it.
    await this.#frames.run({ kind: "model", file, folder }, client, new AbortController().signal);
    return folder;
  }
}
