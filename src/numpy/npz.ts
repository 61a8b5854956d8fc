// NumPy's file format of several arrays: a zip of `.npy` files.

import { open } from "node:fs/promises";
import { type Zippable, zipSync } from "fflate";
import yauzl from "yauzl";
import { writeFileAtomically } from "../system/atomicFile.js";
import { UserError } from "../system/errors.js";
import { type OpenZip, readZipEntry } from "../system/zipEntry.js";
import { checkFile, decodeNpy, encodeNpy, maxNumpyBytes, type NumpyArray } from "./npy.js";

const maxArrays = 10_000;
const suffix = ".npy";

/** As NumPy does: the same arrays are the same bytes, whenever they are written. */
const timestamp = new Date(1980, 0, 1);

/** The bytes of a `.npz` file, not compressed, as `numpy.savez` writes it. */
export function encodeNpz(arrays: Readonly<Record<string, NumpyArray>>): Uint8Array {
  const entries: Zippable = {};
  for (const [name, array] of Object.entries(arrays)) entries[name + suffix] = encodeNpy(array);
  return zipSync(entries, { level: 0, mtime: timestamp });
}

/** Writes arrays by name for `numpy.load(file)[name]`; the file appears under its name only when it is complete. */
export function writeNpz(file: string, arrays: Readonly<Record<string, NumpyArray>>): void {
  writeFileAtomically(file, encodeNpz(arrays));
}

/**
 * The arrays of a `.npz` file by name, compressed or not.
 * @throws UserError with one line that says what is wrong with the file
 */
export async function readNpz(file: string): Promise<Map<string, NumpyArray>> {
  checkFile(file, ".npz file");
  // Undecoded names: yauzl would otherwise give up on the whole zip at the first unsafe name. They are names only;
  // nothing is unpacked to disk.
  const zip = await yauzl
    .openPromise(file, { autoClose: false, decodeStrings: false, lazyEntries: true })
    .catch(() => {
      throw new UserError(`${file} is not a NumPy file of arrays (.npz), or is damaged`);
    });
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    return await readEntries({ file, zip, opened: { handle, bytes: size } });
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${file} is damaged (${error instanceof Error ? error.message : error})`);
  } finally {
    zip.close();
    await handle.close();
  }
}

interface Npz {
  file: string;
  zip: yauzl.ZipFile;
  opened: OpenZip;
}

async function readEntries({ file, zip, opened }: Npz): Promise<Map<string, NumpyArray>> {
  if (zip.entryCount > maxArrays)
    throw new UserError(`${file} has ${zip.entryCount} arrays; at most ${maxArrays} are read`);
  const arrays = new Map<string, NumpyArray>();
  let total = 0;
  for await (const entry of zip.eachEntry()) {
    const path = yauzl.getFileNameLowLevel(
      entry.generalPurposeBitFlag,
      entry.fileNameRaw,
      entry.extraFields,
      false,
    );
    if (!path.endsWith(suffix))
      throw new UserError(
        `${file} is not a NumPy file of arrays (.npz): it holds ${JSON.stringify(path.slice(0, 80))}`,
      );
    // What the entry claims: no more is unpacked.
    total += entry.uncompressedSize;
    if (total > maxNumpyBytes)
      throw new UserError(`${file} holds more than ${maxNumpyBytes / 2 ** 20} MiB, too much for latents`);
    const name = path.slice(0, -suffix.length);
    if (arrays.has(name))
      throw new UserError(`${file} is damaged: two arrays named ${JSON.stringify(name.slice(0, 80))}`);
    const bytes = await readZipEntry(opened, entry);
    arrays.set(name, decodeNpy(bytes, `${file}: ${JSON.stringify(name.slice(0, 80))}`));
  }
  return arrays;
}
