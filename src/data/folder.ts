import { createReadStream } from "node:fs";
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { UserError } from "../system/errors.js";
import {
  comparePaths,
  firstFolder,
  type ImageSource,
  isHidden,
  isImagePath,
  MAX_FILE_BYTES,
  reasonOf,
  type SkippedFile,
  type SourceFile,
  tooLarge,
  unreadableFormat,
} from "./imageSource.js";
import { mapInOrder } from "./mapInOrder.js";

const PARALLEL_STATS = 64;

/** The images in a folder and its subfolders; links are followed. Files that are no images are passed over. */
export async function openFolder(folder: string): Promise<ImageSource> {
  const root = resolve(folder);
  const images: SourceFile[] = [];
  const skipped: SkippedFile[] = [];
  let datasetJson: ImageSource["datasetJson"];

  async function list(path: string, ancestors: readonly string[]): Promise<void> {
    const real = await realpath(join(root, path));
    if (ancestors.includes(real)) return; // a link to a folder above it would never end
    const entries = (await readdir(real)).map((name) => (path === "" ? name : `${path}/${name}`));
    const visible = entries.filter((entry) => !isHidden(entry));
    for await (const { entry, stats, reason } of mapInOrder(visible, { items: PARALLEL_STATS }, inspect)) {
      if (stats?.isDirectory()) {
        await list(entry, [...ancestors, real]).catch((error: unknown) => {
          skipped.push({ file: entry, reason: reasonOf(error) });
        });
      } else if (entry === "dataset.json" && stats?.isFile()) {
        datasetJson = { chunks: () => createReadStream(join(root, entry)) };
      } else if (!isImagePath(entry)) {
        // Read-me files, captions and the like: not an error, and not worth a word.
        const format = unreadableFormat(entry);
        if (format !== undefined) skipped.push({ file: entry, reason: format });
      } else if (!stats?.isFile()) {
        skipped.push({ file: entry, reason: reason ?? "not a regular file" });
      } else if (stats.size > MAX_FILE_BYTES) {
        skipped.push({ file: entry, reason: tooLarge(stats.size) });
      } else {
        images.push(fileIn(root, entry, stats));
      }
    }
  }

  async function inspect(entry: string) {
    try {
      return { entry, stats: await stat(join(root, entry)) };
    } catch (error) {
      return { entry, reason: reasonOf(error) };
    }
  }

  await list("", []).catch((error: unknown) => {
    throw new UserError(`cannot list ${folder} (${reasonOf(error)}): check that you may read it`);
  });
  return {
    name: basename(root) || "images",
    ownSize: false,
    images: images.sort(comparePaths),
    skipped,
    ...(datasetJson && { datasetJson }),
    className: firstFolder,
    close() {},
  };
}

function fileIn(root: string, path: string, stats: { size: number; mtimeMs: number }): SourceFile {
  const { size, mtimeMs } = stats;
  return { path, identity: `${size} ${mtimeMs}`, bytes: size, read: () => readFile(join(root, path)) };
}
