// Files that are either whole or not there.

import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { UserError } from "./errors.js";

/** The next bytes of a file, or bytes in place of some that have been written. */
export type Chunk = Uint8Array | { at: number; bytes: Uint8Array };

/**
 * Writes the chunks to a temporary name in the same folder, waits for the disk, then renames.
 * @throws UserError when that fails; the temporary file is removed and an older `file` is left as it was
 */
export function writeFileAtomically(
  file: string,
  chunks: (() => Iterable<Chunk>) | Uint8Array | string,
): void {
  const temporary = temporaryName(file);
  try {
    const fd = openNew(temporary);
    try {
      const parts = typeof chunks === "function" ? chunks() : [chunks];
      for (const part of parts) {
        if (typeof part === "string") writeFully(fd, Buffer.from(part));
        else if ("at" in part && "bytes" in part) writeFully(fd, part.bytes, part.at);
        else writeFully(fd, part);
      }
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw writeError(file, error);
  }
}

/**
 * Gives what a file holds now a second name, which it keeps when another takes its place.
 * @throws UserError as `writeFileAtomically`
 */
export function keepFile(file: string, as: string): void {
  const temporary = temporaryName(as);
  try {
    rmSync(temporary, { force: true });
    linkSync(file, temporary);
    renameSync(temporary, as);
    rmSync(temporary, { force: true }); // still there where both were names of one file
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return; // there is none yet
    throw writeError(as, error);
  }
}

/** Bytes up to which waiting for another thread takes longer than writing. */
const smallFile = 64 * 1024;

/**
 * A file that can be made again, beside other work: it appears under its name when it is complete, but nobody waits for
 * the disk. After a power cut it can be missing or empty.
 */
export async function writeFileBeside(file: string, bytes: Uint8Array): Promise<void> {
  const temporary = temporaryName(file);
  try {
    if (bytes.length <= smallFile) {
      const fd = openNew(temporary);
      try {
        writeFully(fd, bytes);
      } finally {
        closeSync(fd);
      }
      renameSync(temporary, file);
    } else {
      closeSync(openNew(temporary));
      await writeFile(temporary, bytes);
      await rename(temporary, file);
    }
  } catch (error) {
    await rm(temporary, { force: true });
    throw writeError(file, error);
  }
}

/** A name in the same folder, so that a rename is all that is left to do. */
export function temporaryName(file: string): string {
  return join(dirname(file), `.${basename(file)}.${process.pid}.tmp`);
}

/** A file that was not there: what an earlier process of the same number has left, or a link, is removed and not opened. */
function openNew(file: string): number {
  try {
    return openSync(file, "wx");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    rmSync(file, { force: true });
    return openSync(file, "wx");
  }
}

/** @param start where in the file; without it, after what was written last */
function writeFully(fd: number, bytes: Uint8Array, start?: number): void {
  let done = 0;
  while (done < bytes.length) {
    const length = Math.min(bytes.length - done, 2 ** 30);
    done += writeSync(fd, bytes, done, length, start === undefined ? null : start + done);
  }
}

/** What to throw when `file` could not be written: a UserError where the user can do something about it. */
export function writeError(file: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOSPC" || code === "EDQUOT")
    return new UserError(`The disk is full: ${file} could not be written. Free some space and resume.`);
  if (code === "EROFS")
    return new UserError(`${file} cannot be written: the disk is read-only. Choose a folder on another.`);
  if (code === "EISDIR" || code === "ENOTDIR")
    return new UserError(`${file} cannot be written: a folder is in its place. Move it away.`);
  if (code === "EACCES" || code === "EPERM")
    return new UserError(`${file} cannot be written: no permission. Choose another folder.`);
  if (code === "ENOENT") return new UserError(`${file} cannot be written: its folder is gone.`);
  return error;
}
