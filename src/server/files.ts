// Reading files that someone else may be writing, replacing or removing, or that are not what they should be.

import { constants } from "node:fs";
import { type FileHandle, lstat, open, realpath } from "node:fs/promises";
import { join, sep } from "node:path";

/** A regular file as it is now. */
export interface FileState {
  size: number;
  /** Changes when the file is replaced by another. */
  inode: number;
  mtimeMs: number;
}

/** What is there under the name if that is a regular file; null for all else. */
export async function fileState(path: string): Promise<FileState | null> {
  try {
    const stats = await lstat(path);
    return stats.isFile() ? { size: stats.size, inode: stats.ino, mtimeMs: stats.mtimeMs } : null;
  } catch {
    return null;
  }
}

/** Opens a regular file without following a link, and without waiting for the other end of a pipe. */
export async function openFile(path: string): Promise<FileHandle | null> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
    return null;
  } catch {
    return null;
  }
}

/** Bytes from `offset` on, at most `length`; null when the file cannot be read. */
export async function readPart(path: string, offset: number, length: number): Promise<Buffer | null> {
  const handle = await openFile(path);
  if (!handle) return null;
  try {
    const buffer = Buffer.allocUnsafe(length);
    const { bytesRead } = await handle.read(buffer, 0, length, offset);
    return buffer.subarray(0, bytesRead);
  } catch {
    return null;
  } finally {
    await handle.close();
  }
}

/** The whole of a small file as text; null when it is missing or larger than `limit` bytes. */
export async function readSmall(path: string, limit: number): Promise<string | null> {
  const state = await fileState(path);
  if (!state || state.size > limit) return null;
  return (await readPart(path, 0, state.size))?.toString("utf8") ?? null;
}

/** The JSON object in a small file; null when there is none. */
export async function readJsonObject(path: string, limit: number): Promise<Record<string, unknown> | null> {
  return parseObject((await readSmall(path, limit)) ?? "");
}

/** The JSON object that a line holds; null when it holds none. */
export function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** The real path of a folder below `root`; null when it is none, or a link that leads elsewhere. */
export async function folderInside(root: string, name: string): Promise<string | null> {
  if (name === "" || name.startsWith(".") || /[/\\\0]/.test(name)) return null;
  try {
    const [base, path] = await Promise.all([realpath(root), realpath(join(root, name))]);
    const inside = path.startsWith(base.endsWith(sep) ? base : `${base}${sep}`);
    return inside && (await lstat(path)).isDirectory() ? path : null;
  } catch {
    return null;
  }
}
