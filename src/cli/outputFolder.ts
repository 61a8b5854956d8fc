// The folder that a command writes to.

import { mkdirSync } from "node:fs";
import { writeError } from "../system/atomicFile.js";
import { UserError } from "../system/errors.js";

/**
 * Makes the folder and those around it.
 * @param option what named it, for the message
 * @throws UserError when a file is in the way or permission is missing
 */
export function makeOutputFolder(folder: string, option = "--outdir"): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EEXIST" || code === "ENOTDIR")
      throw new UserError(`${option} ${folder}: a file of that name is in the way; choose another folder`);
    throw writeError(folder, error);
  }
}
