// Random access to the bytes of a file, so that a large one is never in memory as a whole.

import { closeSync, fstatSync, readSync } from "node:fs";
import { openNamed } from "../system/regularFile.js";

/** Bytes that are somewhere: in a file or in memory. */
export interface ByteSource {
  readonly length: number;
  /** @throws RangeError when that is not inside */
  read(start: number, length: number): Buffer;
}

/** A file that is open until `close`. */
export class FileSource implements ByteSource {
  readonly length: number;
  readonly #fd: number;
  #isOpen = true;

  /** @throws UserError when there is no such file or it may not be read */
  constructor(file: string) {
    this.#fd = openNamed(file);
    this.length = fstatSync(this.#fd).size;
  }

  read(start: number, length: number): Buffer {
    checkRange(this, start, length);
    const bytes = Buffer.alloc(length);
    let done = 0;
    while (done < length) {
      const count = readSync(this.#fd, bytes, done, Math.min(length - done, 2 ** 30), start + done);
      if (count === 0) throw new RangeError("the file became shorter while it was read");
      done += count;
    }
    return bytes;
  }

  close(): void {
    if (this.#isOpen) closeSync(this.#fd);
    this.#isOpen = false;
  }
}

/** Bytes in memory. */
export class BufferSource implements ByteSource {
  readonly length: number;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.length = bytes.length;
  }

  read(start: number, length: number): Buffer {
    checkRange(this, start, length);
    return this.#bytes.subarray(start, start + length);
  }
}

/** A part of another source. */
export class SourcePart implements ByteSource {
  readonly length: number;
  readonly #source: ByteSource;
  readonly #start: number;

  constructor(source: ByteSource, start: number, length: number) {
    checkRange(source, start, length);
    this.#source = source;
    this.#start = start;
    this.length = length;
  }

  read(start: number, length: number): Buffer {
    checkRange(this, start, length);
    return this.#source.read(this.#start + start, length);
  }
}

function checkRange({ length: available }: ByteSource, start: number, length: number): void {
  const valid = Number.isSafeInteger(start) && Number.isSafeInteger(length) && start >= 0 && length >= 0;
  if (!valid || start + length > available) throw new RangeError("it is cut short or damaged");
}
