// Opening files that anyone may have put there: a pipe would be waited for, a device may never end, and a link may lead
// out of a folder that others write to.

import { appendFileSync, closeSync, constants, fstatSync, openSync, readFileSync, rmSync } from "node:fs";
import { UserError } from "./errors.js";

const { O_RDONLY, O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;

/**
 * Opens a file that a user has named, links followed.
 * @throws UserError when there is no such file, or it is none
 */
export function openNamed(file: string): number {
  try {
    return regular(file, openSync(file, O_RDONLY | O_NONBLOCK));
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(code === "ENOENT" ? `${file}: no such file` : `${file} cannot be opened (${code})`);
  }
}

/** A whole file that a user has named. @throws UserError as `openNamed`, and when it is larger than `limit` bytes */
export function readNamed(file: string, limit: number): Buffer {
  return readWhole(file, openNamed(file), limit);
}

/**
 * A whole file of a run's folder as text.
 * @throws UserError when it is a link, no file, or larger than `limit`; else the system's error
 */
export function readOwn(file: string, limit: number): string {
  return readWhole(file, openOwn(file), limit).toString("utf8");
}

function readWhole(file: string, fd: number, limit: number): Buffer {
  try {
    if (fstatSync(fd).size > limit)
      throw new UserError(`${file} is larger than ${limit / 2 ** 20} MiB, too large for what it should be`);
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Appends to a file of a run's folder, which need not be there yet. @throws as `readOwn` */
export function appendToOwn(file: string, text: string): void {
  const fd = openOwn(file, O_WRONLY | O_APPEND | O_CREAT);
  try {
    appendFileSync(fd, text);
  } finally {
    closeSync(fd);
  }
}

/** As `readOwn`, open; the caller closes it. */
export function openOwn(file: string, flags = O_RDONLY): number {
  let fd: number;
  try {
    fd = openSync(file, flags | O_NOFOLLOW | O_NONBLOCK, 0o666);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ELOOP") throw new UserError(`${file} is a link, which is not followed; remove it`);
    // A pipe without a reader, and a folder.
    if (code === "ENXIO" || code === "EISDIR") throw notRegular(file);
    throw error;
  }
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw notRegular(file);
}

/** Removes a file of a run's folder, if it is there. @throws UserError when that is something else */
export function removeOwn(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ERR_FS_EISDIR" || code === "EISDIR") throw notRegular(file);
    if (code === "EROFS") throw new UserError(`${file} cannot be removed: the disk is read-only`);
    throw error;
  }
}

/**
 * Removes what says that this process is at work, at its end. Where that fails (the disk is read-only by now) it counts
 * for nothing as soon as the process has ended, and why the work ended is what there is to say.
 */
export function removeIfPossible(file: string): void {
  try {
    removeOwn(file);
  } catch {}
}

function regular(file: string, fd: number): number {
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw new UserError(`${file} is not a file`);
}

function notRegular(file: string): UserError {
  return new UserError(`${file} is not a file (a folder, perhaps); move it away`);
}
