// The small file through which another program asks a running training for something.

import { closeSync, lstatSync, readSync } from "node:fs";
import { type Command, commandSchema } from "../protocol/control.js";
import { openOwn, removeOwn } from "../system/regularFile.js";

// More than this at once is no control but garbage; what is over is read the next time.
const mostBytes = 64 * 1024;

/** A line of the file: a command, or what is wrong with it. */
export type ControlLine = { command: Command } | { problem: string };

/** Reads control.jsonl of a run as it grows. */
export class ControlFile {
  readonly #path: string;
  #offset = 0;
  #refused = false;

  /** Removes what an earlier part of the run has left: its commands are not for this one. */
  constructor(path: string) {
    this.#path = path;
    removeOwn(path);
  }

  /** The lines that are complete since the last call. While there are none this costs one `stat`, a few µs. */
  poll(): ControlLine[] {
    const stats = lstatSync(this.#path, { throwIfNoEntry: false });
    if (stats && !stats.isFile()) return this.#refuseOnce();
    const size = stats?.size ?? 0;
    if (size < this.#offset) this.#offset = 0; // someone has replaced it
    if (size === this.#offset) return [];
    const bytes = read(this.#path, this.#offset, Math.min(size - this.#offset, mostBytes));
    const end = bytes.lastIndexOf(0x0a) + 1;
    if (end === 0) {
      // A line is being written, unless it is longer than any command.
      if (bytes.length < mostBytes) return [];
      this.#offset += bytes.length;
      return [{ problem: "a line of control.jsonl is too long" }];
    }
    this.#offset += end;
    const text = bytes.toString("utf8", 0, end);
    return text
      .split("\n")
      .filter((line) => line.trim() !== "")
      .map(parseLine);
  }

  /** A link or a pipe in the file's place: what it would lead to is nobody's command. */
  #refuseOnce(): ControlLine[] {
    if (this.#refused) return [];
    this.#refused = true;
    return [{ problem: "control.jsonl is not a file; remove it" }];
  }
}

function read(path: string, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const fd = openOwn(path);
  try {
    return bytes.subarray(0, readSync(fd, bytes, 0, length, offset));
  } finally {
    closeSync(fd);
  }
}

function parseLine(line: string): ControlLine {
  try {
    return { command: commandSchema.parse(JSON.parse(line)) };
  } catch {
    return { problem: `a line of control.jsonl is no command: ${line.slice(0, 80)}` };
  }
}
