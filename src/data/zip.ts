import { open } from "node:fs/promises";
import { basename } from "node:path";
import yauzl from "yauzl";
import { UserError } from "../system/errors.js";
import { type OpenZip, readZipEntry, streamZipEntry } from "../system/zipEntry.js";
import {
  comparePaths,
  firstFolder,
  type ImageSource,
  isImagePath,
  MAX_FILE_BYTES,
  reasonOf,
  type SkippedFile,
  type SourceFile,
  tooLarge,
  unreadableFormat,
} from "./imageSource.js";

/**
 * The images in a zip, with NVIDIA's `dataset.json` or without. Entries are read into memory one at a time and
 * nothing is ever unpacked to disk, so an entry's name is only a name and can do no harm.
 */
export async function openZip(file: string): Promise<ImageSource> {
  // Undecoded names: yauzl would otherwise give up on the whole zip at the first unsafe name.
  const zip = await yauzl
    .openPromise(file, { autoClose: false, decodeStrings: false, lazyEntries: true })
    .catch((error: unknown) => {
      throw new UserError(
        `${file} is no zip, or a damaged one (${reasonOf(error)}): give a folder of images or a zip of them`,
      );
    });
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    return await listZip({ file, zip, opened: { handle, bytes: size } });
  } catch (error) {
    await handle.close();
    throw error;
  } finally {
    zip.close();
  }
}

interface ListedZip {
  file: string;
  zip: yauzl.ZipFile;
  opened: OpenZip;
}

async function listZip({ file, zip, opened }: ListedZip): Promise<ImageSource> {
  const { handle } = opened;
  const files: ZippedFile[] = [];
  const skipped: SkippedFile[] = [];
  try {
    for await (const entry of zip.eachEntry()) {
      const path = entryName(entry);
      const format = unreadableFormat(path);
      if (format !== undefined) skipped.push({ file: path, reason: format });
      if (!isImagePath(path) && basename(path) !== "dataset.json") continue;
      const unsafe = yauzl.validateFileName(path);
      if (unsafe !== null) {
        skipped.push({ file: path, reason: unsafe });
      } else if (entry.uncompressedSize > MAX_FILE_BYTES) {
        skipped.push({ file: path, reason: tooLarge(entry.uncompressedSize) });
      } else {
        files.push({
          path,
          identity: `${entry.uncompressedSize} ${entry.crc32}`,
          bytes: entry.uncompressedSize + entry.compressedSize,
          read: () => readZipEntry(opened, entry),
          chunks: () => streamZipEntry(opened, entry),
        });
      }
    }
  } catch (error) {
    throw new UserError(`${file} is damaged (${reasonOf(error)}): make the zip again`);
  }

  const unwrapped = unwrap(files);
  const datasetJson = unwrapped.find(({ path }) => path === "dataset.json");
  return {
    name: basename(file).replace(/\.zip$/i, ""),
    ownSize: true,
    images: unwrapped.filter(({ path }) => isImagePath(path)).sort(comparePaths),
    skipped,
    ...(datasetJson && { datasetJson }),
    className: firstFolder,
    close: () => void handle.close(),
  };
}

interface ZippedFile extends SourceFile {
  /** As `read`, piece by piece. */
  chunks(): AsyncIterable<Uint8Array>;
}

function entryName(entry: yauzl.Entry): string {
  return yauzl.getFileNameLowLevel(
    entry.generalPurposeBitFlag,
    entry.fileNameRaw,
    entry.extraFields,
    false, // backslashes of Windows programs become slashes
  );
}

/** A zip made from a folder holds everything inside that one folder; paths are then counted from there. */
function unwrap(files: readonly ZippedFile[]): ZippedFile[] {
  const wrapper = files[0] && firstFolder(files[0].path);
  if (wrapper === undefined || files.some(({ path }) => firstFolder(path) !== wrapper)) return [...files];
  return files.map((file) => ({ ...file, path: file.path.slice(wrapper.length + 1) }));
}
