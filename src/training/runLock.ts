// One training at a time on a run's folder.
//
// Each says so by a file of its own, whose name tells which process it is; then it looks for others. Of two that come at
// once at least the later sees the earlier, whatever the moment. The file of a process that has ended, or been killed,
// counts for nothing: the number of a process and when it started are never those of another.

import { closeSync, openSync, readdirSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { writeError } from "../system/atomicFile.js";
import { UserError } from "../system/errors.js";
import { isProcessAlive, processStart } from "../system/processes.js";
import { removeIfPossible, removeOwn } from "../system/regularFile.js";

const pattern = /^\.training-(\d{1,10})-(\d{1,20}|unknown)-([\w.%~'()*!-]{1,255})\.lock$/;

/**
 * Keeps other trainings away from a run's folder until it is released.
 * @throws UserError that says who trains it already
 */
export function lockRun(folder: string): { release(): void } {
  const name = `.training-${process.pid}-${processStart(process.pid) ?? "unknown"}-${thisHost()}.lock`;
  const file = join(folder, name);
  create(folder, file);
  try {
    for (const entry of readdirSync(folder)) if (entry !== name) checkOther(folder, entry);
  } catch (error) {
    removeIfPossible(file);
    throw error;
  }
  return { release: () => removeIfPossible(file) };
}

function create(folder: string, file: string): void {
  try {
    closeSync(openSync(file, "wx"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST")
      throw new UserError(`${folder} is being trained by this process already`);
    throw writeError(file, error);
  }
}

/** @throws UserError when the entry is the lock of a process that is there; that of one that is not is removed */
function checkOther(folder: string, entry: string): void {
  const [, pid, start, host] = pattern.exec(entry) ?? [];
  if (pid === undefined) return;
  const file = join(folder, entry);
  if (host !== thisHost())
    throw new UserError(
      `${folder} is being trained by process ${pid} of the machine ${host}; if that has ended, remove ${file}`,
    );
  if (isProcessAlive(Number(pid), start === "unknown" ? null : (start ?? null)))
    throw new UserError(
      `${folder} is being trained by process ${pid}; wait for its end, or stop it (kill -INT ${pid}), which saves it`,
    );
  removeOwn(file);
}

function thisHost(): string {
  return encodeURIComponent(hostname()).slice(0, 200) || "unknown";
}
