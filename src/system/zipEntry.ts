// The bytes of an entry of a zip, held against what the zip says of them: their number and their CRC-32.

import type { FileHandle } from "node:fs/promises";
import { promisify } from "node:util";
import { createInflateRaw, inflateRaw } from "node:zlib";
import type { Entry } from "yauzl";
import { crc32 } from "./crc32.js";

const inflate = promisify(inflateRaw);
const [stored, deflated] = [0, 8];
const headerBytes = 30;

/** A zip that is open, with its size. */
export interface OpenZip {
  handle: FileHandle;
  bytes: number;
}

/**
 * All of an entry. No more memory is taken than the entry says.
 * @throws Error in one line when the zip is damaged
 */
export async function readZipEntry(zip: OpenZip, entry: Entry): Promise<Buffer> {
  const packed = await packedBytes(zip, entry);
  let bytes = packed;
  if (entry.compressionMethod === deflated) {
    const options = { maxOutputLength: Math.max(entry.uncompressedSize, 1) };
    bytes = await inflate(packed, options).catch((error: NodeJS.ErrnoException) => {
      throw new Error(error.code === "ERR_BUFFER_TOO_LARGE" ? otherSize : "its compressed bytes are damaged");
    });
  }
  if (bytes.length !== entry.uncompressedSize) throw new Error(otherSize);
  if (crc32(bytes) !== entry.crc32) throw new Error(otherBytes);
  return bytes;
}

/** As `readZipEntry`, piece by piece, so that what grows when it is unpacked is never in memory as a whole. */
export async function* streamZipEntry(zip: OpenZip, entry: Entry): AsyncGenerator<Buffer> {
  const packed = await packedBytes(zip, entry);
  let [length, digest] = [0, 0];
  for await (const chunk of entry.compressionMethod === deflated ? inflated(packed) : [packed]) {
    length += chunk.length;
    if (length > entry.uncompressedSize) throw new Error(otherSize);
    digest = crc32(chunk, digest);
    yield chunk;
  }
  if (length !== entry.uncompressedSize) throw new Error(otherSize);
  if (digest !== entry.crc32) throw new Error(otherBytes);
}

const otherSize = "it has another size than the zip says";
const otherBytes = "its bytes are not those that were zipped (CRC)";

function inflated(packed: Buffer): AsyncIterable<Buffer> {
  const stream = createInflateRaw();
  stream.end(packed);
  return stream;
}

async function packedBytes({ handle, bytes }: OpenZip, entry: Entry): Promise<Buffer> {
  const { compressedSize, relativeOffsetOfLocalHeader: at, compressionMethod } = entry;
  if ((entry.generalPurposeBitFlag & 1) !== 0) throw new Error("it is encrypted");
  if (compressionMethod !== stored && compressionMethod !== deflated)
    throw new Error(`it is compressed by method ${compressionMethod}, which is not read here`);
  if (compressionMethod === stored && compressedSize !== entry.uncompressedSize) throw new Error(otherSize);
  const header = await readAt(handle, at, headerBytes);
  if (header.length < headerBytes || header.readUInt32LE(0) !== 0x04034b50)
    throw new Error("the zip is damaged");
  const start = at + headerBytes + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (start + compressedSize > bytes) throw new Error("the zip is cut short");
  const packed = await readAt(handle, start, compressedSize);
  if (packed.length < compressedSize) throw new Error("the zip is cut short");
  return packed;
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}
