// Where a data set is written to: a zip or a folder. It has its name only when it is whole.

import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { type FileHandle, mkdir, open, rename, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { temporaryName, writeError } from "../../system/atomicFile.js";
import { UserError } from "../../system/errors.js";
import { isDirectory } from "../../system/files.js";
import { isProcessAlive } from "../../system/processes.js";
import { ZipWriter } from "./zipWriter.js";

export interface Destination {
  add(name: string, bytes: Uint8Array): Promise<void>;
  /** Waits for the disk and gives it its name. */
  finish(): Promise<void>;
  /** Gives up; nothing is left. */
  abandon(): Promise<void>;
}

export interface DestinationOptions {
  /** Take the place of a zip that is there. */
  force: boolean;
}

/** Whether a data set of that name is a zip; else it is a folder. */
export const isZipName = (name: string) => /\.zip$/i.test(name);

/**
 * Begins a data set: a zip where the name ends so, else a folder.
 * @throws UserError when something of that name is there, or it cannot be written
 */
export async function openDestination(name: string, { force }: DestinationOptions): Promise<Destination> {
  const path = resolve(name);
  const isZip = isZipName(name);
  checkFree(name, { path, isZip, force });
  try {
    await mkdir(dirname(path), { recursive: true });
    removeLeftovers(path);
    const temporary = temporaryName(path);
    if (isZip) return new ZipDestination(path, temporary, await open(temporary, "wx"));
    await mkdir(temporary);
    return new FolderDestination(path, temporary);
  } catch (error) {
    throw writeError(name, error);
  }
}

/** A folder is never replaced: it may be the one that the pictures are from. */
function checkFree(name: string, { path, isZip, force }: { path: string; isZip: boolean; force: boolean }) {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (stats.isDirectory() && isZip)
    throw new UserError(`${name} is a folder: give the zip another name, or move the folder away`);
  if (isZip && !force)
    throw new UserError(`${name} is already there: give another name, or --force to replace it`);
  if (!isZip && !stats.isDirectory())
    throw new UserError(
      `${name} is a file: give the folder another name, or one that ends in .zip for a zip`,
    );
  if (!isZip && readdirSync(path).length > 0)
    throw new UserError(`${name} is a folder with something in it: give another name, or empty it`);
}

/** What runs have left that were killed. */
function removeLeftovers(path: string): void {
  const start = `.${basename(path)}.`;
  for (const name of readdirSync(dirname(path))) {
    const pid = name.startsWith(start) && /^(\d+)\.tmp$/.exec(name.slice(start.length))?.[1];
    if (!pid || (Number(pid) !== process.pid && isProcessAlive(Number(pid), null))) continue;
    rmSync(join(dirname(path), name), { recursive: true, force: true });
  }
}

/** What both have in common: a temporary name, which goes away with the process. */
abstract class Unfinished {
  readonly path: string;
  readonly temporary: string;
  readonly remove = () => rmSync(this.temporary, { recursive: true, force: true });

  constructor(path: string, temporary: string) {
    this.path = path;
    this.temporary = temporary;
    process.once("exit", this.remove);
  }

  async rename(): Promise<void> {
    await rename(this.temporary, this.path);
    process.off("exit", this.remove);
  }

  async abandon(): Promise<void> {
    process.off("exit", this.remove);
    this.remove();
  }
}

class ZipDestination extends Unfinished implements Destination {
  readonly #handle: FileHandle;
  readonly #zip: ZipWriter;

  constructor(path: string, temporary: string, handle: FileHandle) {
    super(path, temporary);
    this.#handle = handle;
    this.#zip = new ZipWriter((bytes) => handle.appendFile(bytes));
  }

  async add(name: string, bytes: Uint8Array): Promise<void> {
    await this.#zip.add(name, bytes).catch((error: unknown) => {
      throw writeError(this.path, error);
    });
  }

  async finish(): Promise<void> {
    try {
      await this.#zip.finish();
      await this.#handle.sync();
      await this.#handle.close();
      await this.rename();
    } catch (error) {
      throw writeError(this.path, error);
    }
  }

  override async abandon(): Promise<void> {
    await this.#handle.close();
    await super.abandon();
  }
}

class FolderDestination extends Unfinished implements Destination {
  async add(name: string, bytes: Uint8Array): Promise<void> {
    const file = join(this.temporary, name);
    try {
      if (!isDirectory(dirname(file))) await mkdir(dirname(file), { recursive: true });
      await writeFile(file, bytes, { flag: "wx", flush: true });
    } catch (error) {
      throw writeError(this.path, error);
    }
  }

  async finish(): Promise<void> {
    // An empty folder of that name makes room.
    if (!existsSync(this.path)) await mkdir(dirname(this.path), { recursive: true });
    await this.rename().catch((error: unknown) => {
      throw writeError(this.path, error);
    });
  }
}
