// Zips as NVIDIA's data sets are: nothing compressed, since pictures are already, so that any of them can be read by itself.
//
// PKWARE, ".ZIP File Format Specification" (APPNOTE.TXT 6.3.10), sections 4.3.7 (a file), 4.3.12 (the directory) and
// 4.3.14 to 4.3.16 (the end, with the larger numbers of Zip64).

import { crc32 } from "../../system/crc32.js";

/** Where the bytes go, one after the other. */
export type Append = (bytes: Uint8Array) => Promise<void>;

/** The first number that two bytes, or four, have no room for: it says that a larger field holds the number. */
const [full16, full32] = [0xffff, 0xffffffff];

const versionOfZip64 = 45;
/** What made the zip, in its upper byte a system: Unix, else names are read in a character set of DOS. */
const madeBy = (3 << 8) | versionOfZip64;
const namesAreUtf8 = 0x0800;
/** 1 January 1980, the earliest there is: the same pictures are the same bytes, whenever they are written. */
const date = (1 << 5) | 1;
/** A regular file that all may read. */
const unixMode = 0o100644;

export class ZipWriter {
  readonly #append: Append;
  readonly #directory: Buffer[] = [];
  #at: number;

  /** @param start bytes that stand before the zip in its file */
  constructor(append: Append, start = 0) {
    this.#append = append;
    this.#at = start;
  }

  async add(name: string, bytes: Uint8Array): Promise<void> {
    const nameBytes = Buffer.from(name);
    const shared = Buffer.alloc(26); // what the file's header and the directory have in common
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(namesAreUtf8, 2);
    shared.writeUInt16LE(date, 8);
    shared.writeUInt32LE(crc32(bytes), 10);
    shared.writeUInt32LE(bytes.length, 14); // stored: as long in the zip
    shared.writeUInt32LE(bytes.length, 18);
    shared.writeUInt16LE(nameBytes.length, 22);

    const isFar = this.#at >= full32;
    const extra = isFar ? zip64Offset(this.#at) : Buffer.alloc(0);
    const version = Buffer.alloc(2);
    version.writeUInt16LE(madeBy);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE((unixMode << 16) >>> 0, 6);
    rest.writeUInt32LE(isFar ? full32 : this.#at, 10);
    const entry = Buffer.from(shared);
    entry.writeUInt16LE(extra.length, 24);
    this.#directory.push(Buffer.concat([signature(1, 2), version, entry, rest, nameBytes, extra]));

    await this.#write(Buffer.concat([signature(3, 4), shared, nameBytes]));
    await this.#write(bytes);
  }

  /** Writes the directory. Nothing can be added afterwards. */
  async finish(): Promise<void> {
    const start = this.#at;
    for (const entry of this.#directory) await this.#write(entry);
    const length = this.#at - start;
    const count = this.#directory.length;
    if (count >= full16 || start + length >= full32) await this.#write(zip64End({ start, length, count }));
    const end = Buffer.alloc(18);
    end.writeUInt16LE(Math.min(count, full16), 4);
    end.writeUInt16LE(Math.min(count, full16), 6);
    end.writeUInt32LE(Math.min(length, full32), 8);
    end.writeUInt32LE(Math.min(start, full32), 12);
    await this.#write(Buffer.concat([signature(5, 6), end]));
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await this.#append(bytes);
    this.#at += bytes.length;
  }
}

function signature(first: number, second: number): Buffer {
  return Buffer.from([0x50, 0x4b, first, second]); // PK
}

/** Where a file stands that is more than 4 GiB into the zip. */
function zip64Offset(offset: number): Buffer {
  const extra = Buffer.alloc(12);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(8, 2);
  extra.writeBigUInt64LE(BigInt(offset), 4);
  return extra;
}

/** The end of a zip with more files or bytes than the older end has room for, and where that end stands. */
function zip64End({ start, length, count }: { start: number; length: number; count: number }): Buffer {
  const end = Buffer.alloc(52);
  end.writeBigUInt64LE(44n, 0); // bytes that follow
  end.writeUInt16LE(madeBy, 8);
  end.writeUInt16LE(versionOfZip64, 10);
  end.writeBigUInt64LE(BigInt(count), 20);
  end.writeBigUInt64LE(BigInt(count), 28);
  end.writeBigUInt64LE(BigInt(length), 36);
  end.writeBigUInt64LE(BigInt(start), 44);
  const locator = Buffer.alloc(16);
  locator.writeBigUInt64LE(BigInt(start + length), 4);
  locator.writeUInt32LE(1, 12);
  return Buffer.concat([signature(6, 6), end, signature(6, 7), locator]);
}
