// The lines of a file that grows, from any byte on, with bounded memory.

import type { FileHandle } from "node:fs/promises";
import { openFile } from "./files.js";

// A line longer than this is garbage and passed over.
const partBytes = 256 * 1024;

export interface Lines {
  lines: string[];
  /** The byte after the last line. */
  next: number;
  /** Nothing more is there now. */
  end: boolean;
}

/** The whole lines from byte `offset` on, a part of the file's at a time; nothing when it cannot be read. */
export async function readLines(path: string, offset: number): Promise<Lines> {
  const handle = await openFile(path);
  if (!handle) return { lines: [], next: offset, end: true };
  try {
    return await linesAt(handle, offset);
  } finally {
    await handle.close();
  }
}

/** As `readLines`, part by part until the end of the file. */
export async function* eachPart(path: string, offset: number): AsyncIterable<Lines> {
  const handle = await openFile(path);
  if (!handle) return;
  try {
    for (let next = offset; ; ) {
      const part = await linesAt(handle, next);
      yield part;
      if (part.end) return;
      next = part.next;
    }
  } finally {
    await handle.close();
  }
}

async function linesAt(handle: FileHandle, offset: number): Promise<Lines> {
  const buffer = Buffer.allocUnsafe(partBytes);
  const { bytesRead } = await handle.read(buffer, 0, partBytes, offset);
  const bytes = buffer.subarray(0, bytesRead);
  const length = bytes.lastIndexOf(0x0a) + 1;
  const full = bytesRead === partBytes;
  if (length === 0) return { lines: [], next: full ? offset + bytesRead : offset, end: !full };
  const lines = bytes.toString("utf8", 0, length - 1).split("\n");
  return { lines, next: offset + length, end: !full };
}
