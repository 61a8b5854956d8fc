// Where the entries of a zip lie, for torch's files. Entries that are not compressed, as torch writes them, are
// read in place: there is no copy of a large file, and nothing that could grow when it is unpacked. (`yauzl`,
// which reads the zips of pictures, gives streams; networks are opened at once.)
// https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT

import { crc32 } from "../system/crc32.js";
import { type ByteSource, SourcePart } from "./byteSource.js";
import { PickleError, printable } from "./pickle.js";

const signatures = { end: 0x06054b50, zip64Locator: 0x07064b50, zip64End: 0x06064b50, entry: 0x02014b50 };
const localSignature = 0x04034b50;
const maxEntries = 100_000;
const maxDirectoryBytes = 2 ** 25;
const endBytes = 22;
const maxCommentBytes = 0xffff;

interface Directory {
  start: number;
  bytes: number;
  entries: number;
}

interface Entry {
  compression: number;
  encrypted: boolean;
  bytes: number;
  crc32: number;
  localHeader: number;
}

/** Read for a digest at a time. */
const pieceBytes = 2 ** 22;

/** The entries of a zip by name. */
export class ZipDirectory {
  readonly #source: ByteSource;
  readonly #entries: ReadonlyMap<string, Entry>;

  /** @throws PickleError when the zip is damaged */
  constructor(source: ByteSource) {
    this.#source = source;
    this.#entries = entriesOf(source, directoryOf(source));
  }

  names(): string[] {
    return [...this.#entries.keys()];
  }

  /** The bytes of an entry. @throws PickleError when there is no such entry, or it is compressed or damaged */
  open(name: string): ByteSource {
    const entry = this.#entries.get(name);
    if (!entry) throw new PickleError(`the zip has no ${printable(name)}`);
    if (entry.compression !== 0 || entry.encrypted)
      throw new PickleError(
        `${printable(name)} is compressed in the zip; torch does not compress, save it again with torch.save`,
      );
    const header = this.#source.read(entry.localHeader, 30);
    if (header.readUInt32LE(0) !== localSignature) throw damaged();
    const start = entry.localHeader + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
    const part = new SourcePart(this.#source, start, entry.bytes);
    if (digestOf(part) !== entry.crc32)
      throw new PickleError(`the bytes of ${printable(name)} are not those that were zipped (CRC)`);
    return part;
  }
}

function digestOf(part: ByteSource): number {
  let digest = 0;
  for (let at = 0; at < part.length; at += pieceBytes)
    digest = crc32(part.read(at, Math.min(pieceBytes, part.length - at)), digest);
  return digest;
}

export function isZip(source: ByteSource): boolean {
  return source.length >= endBytes && source.read(0, 4).readUInt32LE(0) === localSignature;
}

function directoryOf(source: ByteSource): Directory {
  const tailBytes = Math.min(source.length, endBytes + maxCommentBytes);
  const tailStart = source.length - tailBytes;
  const tail = source.read(tailStart, tailBytes);
  for (let at = tailBytes - endBytes; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== signatures.end) continue;
    const directory = {
      entries: tail.readUInt16LE(at + 10),
      bytes: tail.readUInt32LE(at + 12),
      start: tail.readUInt32LE(at + 16),
    };
    const isZip64 =
      directory.entries === 0xffff || directory.bytes === 0xffffffff || directory.start === 0xffffffff;
    return isZip64 ? zip64DirectoryOf(source, tailStart + at) : directory;
  }
  throw damaged();
}

function zip64DirectoryOf(source: ByteSource, end: number): Directory {
  const locator = source.read(end - 20, 20);
  if (locator.readUInt32LE(0) !== signatures.zip64Locator) throw damaged();
  const record = source.read(Number(locator.readBigUInt64LE(8)), 56);
  if (record.readUInt32LE(0) !== signatures.zip64End) throw damaged();
  return {
    entries: Number(record.readBigUInt64LE(32)),
    bytes: Number(record.readBigUInt64LE(40)),
    start: Number(record.readBigUInt64LE(48)),
  };
}

function entriesOf(source: ByteSource, { start, bytes, entries: count }: Directory): Map<string, Entry> {
  if (count > maxEntries || bytes > maxDirectoryBytes)
    throw new PickleError(`the zip has ${count} entries, too many for a network`);
  const directory = source.read(start, bytes);
  const entries = new Map<string, Entry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > bytes || directory.readUInt32LE(at) !== signatures.entry) throw damaged();
    const nameEnd = at + 46 + directory.readUInt16LE(at + 28);
    const extraEnd = nameEnd + directory.readUInt16LE(at + 30);
    if (extraEnd > bytes) throw damaged();
    const name = directory.toString("utf8", at + 46, nameEnd);
    const extra = directory.subarray(nameEnd, extraEnd);
    const compressed = directory.readUInt32LE(at + 20);
    const uncompressed = directory.readUInt32LE(at + 24);
    const localHeader = directory.readUInt32LE(at + 42);
    const [size, packed, offset] = zip64Values([uncompressed, compressed, localHeader], extra);
    const digest = directory.readUInt32LE(at + 16);
    const compression = directory.readUInt16LE(at + 10);
    if (compression === 0 && size !== packed) throw damaged();
    const encrypted = (directory.readUInt16LE(at + 8) & 1) !== 0;
    entries.set(name, { compression, encrypted, bytes: size, crc32: digest, localHeader: offset });
    at = extraEnd + directory.readUInt16LE(at + 32);
  }
  return entries;
}

type Values = readonly [uncompressed: number, compressed: number, localHeader: number];

/** Values of 32 bits that are all ones stand in the extra field with 64 bits, in this order. */
function zip64Values(values: Values, extra: Buffer): Values {
  if (!values.includes(0xffffffff)) return values;
  for (let at = 0; at + 4 <= extra.length; ) {
    const length = extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === 1) {
      let next = at + 4;
      const wide = (value: number) => {
        if (value !== 0xffffffff) return value;
        if (next + 8 > Math.min(at + 4 + length, extra.length)) throw damaged();
        next += 8;
        return Number(extra.readBigUInt64LE(next - 8));
      };
      return [wide(values[0]), wide(values[1]), wide(values[2])];
    }
    at += 4 + length;
  }
  throw damaged();
}

function damaged(): PickleError {
  return new PickleError("the zip is cut short or damaged");
}
