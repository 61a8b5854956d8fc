// The safetensors file format: an 8-byte length, a JSON header, raw little-endian tensors. Nothing in it runs.
// https://github.com/huggingface/safetensors#format
// Files of ours say in their metadata, under `crc32`, what the bytes were when they were written: eight digits for each
// tensor in the order of the data, then eight for the header. Other programs take it for a text like any other.

import { closeSync, fstatSync, readSync } from "node:fs";
import { writeFileAtomically } from "../system/atomicFile.js";
import { parseBoundedJson } from "../system/boundedJson.js";
import { crc32, crc32Text } from "../system/crc32.js";
import { UserError } from "../system/errors.js";
import { openNamed } from "../system/regularFile.js";
import { type DType, dtypes } from "./dtype.js";
import { type Shape, type Tensor, tensorFromBytes } from "./tensor.js";

const dtypeNames: Record<DType, string> = {
  uint8: "U8",
  int32: "I32",
  int64: "I64",
  float16: "F16",
  bfloat16: "BF16",
  float32: "F32",
  float64: "F64",
  bool: "BOOL",
};

/** The header of the largest networks with their optimizer's state is below 200 kB. */
export const maxHeaderBytes = 2 ** 24;
const headerBounds = { values: 400_000, depth: 8 };
const digestsKey = "crc32";

interface Entry {
  dtype: DType;
  shape: number[];
  start: number;
  end: number;
  /** Of its bytes; undefined in a file without digests. */
  digest?: string;
}

/** As JSON: `__metadata__` and an entry for each tensor. */
type Header = Record<string, unknown>;

export interface SafetensorsFile {
  tensors: Map<string, Tensor>;
  metadata: Record<string, string>;
}

/**
 * Writes tensors and string metadata; the file appears under its name only when it is complete.
 * @throws UserError when it cannot be written (disk full, say); what was there before stays
 */
export function writeSafetensors(
  file: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const entries: Header = {};
  let offset = 0;
  for (const [name, tensor] of tensors) {
    const { dtype, shape, numel } = tensor;
    const end = offset + numel * dtypes[dtype].bytes;
    entries[name] = { dtype: dtypeNames[dtype], shape, data_offsets: [offset, end] };
    offset = end;
  }
  const header = { __metadata__: metadata, ...entries };
  const headerDigest = digestOfHeader(header);
  const withDigests = (digests: readonly string[]) =>
    headerBytes({
      ...header,
      __metadata__: { ...metadata, [digestsKey]: [...digests, headerDigest].join("") },
    });
  writeFileAtomically(file, function* () {
    // The digests' place is kept: the bytes pass by once, on their way to the disk.
    yield withDigests(Array.from(tensors, () => crc32Text(0)));
    const digests: string[] = [];
    for (const tensor of tensors.values()) {
      const bytes = tensor.toBytes();
      digests.push(crc32Text(crc32(bytes)));
      yield bytes;
    }
    yield { at: 0, bytes: withDigests(digests) };
  });
}

/** The length, then the JSON, padded with spaces so that the data starts at a multiple of 8 bytes. */
function headerBytes(header: Header): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = Buffer.alloc(8 + padded, " ");
  bytes.writeBigUInt64LE(BigInt(padded));
  json.copy(bytes, 8);
  return bytes;
}

/** Of a header without digests, however its JSON is spaced. */
function digestOfHeader(header: Header): string {
  return crc32Text(crc32(Buffer.from(JSON.stringify(header))));
}

/**
 * Reads every tensor, or those whose name is `wanted` (owned by the caller), and the metadata.
 * @throws UserError with one line that says what is wrong with the file
 */
export function readSafetensors(
  file: string,
  wanted: (name: string) => boolean = () => true,
): SafetensorsFile {
  return withFile(file, (fd) => {
    const { entries, metadata, dataStart } = readHeader(file, fd);
    const tensors = new Map<string, Tensor>();
    try {
      for (const [name, { dtype, shape, start, end, digest }] of entries) {
        if (!wanted(name)) continue;
        const bytes = readAt(file, fd, dataStart + start, end - start);
        if (digest !== undefined && crc32Text(crc32(bytes)) !== digest)
          throw otherThanWritten(file, `entry ${quoted(name)} is`);
        tensors.set(name, tensorFromBytes(bytes, shape, dtype));
      }
    } catch (error) {
      for (const tensor of tensors.values()) tensor.dispose();
      throw error;
    }
    return { tensors, metadata };
  });
}

/** What a file holds, without reading the tensors. */
export function readSafetensorsHeader(file: string): {
  shapes: Map<string, Shape>;
  metadata: Record<string, string>;
} {
  return withFile(file, (fd) => {
    const { entries, metadata } = readHeader(file, fd);
    return { shapes: new Map([...entries].map(([name, { shape }]) => [name, shape])), metadata };
  });
}

function withFile<T>(file: string, read: (fd: number) => T): T {
  const fd = openNamed(file);
  try {
    return read(fd);
  } finally {
    closeSync(fd);
  }
}

function readAt(file: string, fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const count = readSync(fd, bytes, done, Math.min(length - done, 2 ** 30), position + done);
    if (count === 0) throw new UserError(`${file} is cut short; use an earlier snapshot`);
    done += count;
  }
  return bytes;
}

function readHeader(
  file: string,
  fd: number,
): { entries: Map<string, Entry>; metadata: Record<string, string>; dataStart: number } {
  const { size } = fstatSync(fd);
  if (size < 8) throw new UserError(`${file} is not a safetensors file (${size} bytes)`);
  const headerBytes = Number(readAt(file, fd, 0, 8).readBigUInt64LE());
  if (headerBytes > maxHeaderBytes) throw new UserError(`${file} is not a safetensors file`);
  if (8 + headerBytes > size) throw new UserError(`${file} is cut short; use an earlier snapshot`);
  const header = parseHeader(file, readAt(file, fd, 8, headerBytes));
  const dataStart = 8 + headerBytes;
  const { __metadata__: given, ...rest } = header;
  const { [digestsKey]: digests, ...metadata } = stringsOf(given);
  const entries = new Map(
    Object.entries(rest).map(([name, value]) => [name, parseEntry(file, name, value, size - dataStart)]),
  );
  const ordered = inDataOrder(entries);
  checkNoOverlap(file, ordered);
  if (digests !== undefined) {
    const parts = digests.match(/[0-9a-f]{8}/g) ?? [];
    const own = digestOfHeader({ __metadata__: metadata, ...rest });
    if (parts.join("") !== digests || parts.length !== ordered.length + 1 || parts.at(-1) !== own)
      throw otherThanWritten(file, "its header is");
    for (const [i, [, entry]] of ordered.entries()) entry.digest = parts[i] as string;
  }
  return { entries, metadata, dataStart };
}

function parseHeader(file: string, bytes: Buffer): Header {
  let header: unknown;
  try {
    header = parseBoundedJson(bytes.toString("utf8"), headerBounds);
  } catch {
    throw new UserError(`${file} is not a safetensors file (its header is not JSON)`);
  }
  if (typeof header !== "object" || header === null || Array.isArray(header))
    throw new UserError(`${file} is not a safetensors file (its header is not an object)`);
  return header as Header;
}

function otherThanWritten(file: string, what: string): UserError {
  return new UserError(
    `${file} is damaged: ${what} not what was written; use an earlier snapshot (a program that changes such a file must leave out ${digestsKey} of its metadata)`,
  );
}

function stringsOf(value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

function parseEntry(file: string, name: string, value: unknown, dataBytes: number): Entry {
  const damaged = (what: string) => new UserError(`${file} is damaged: entry ${quoted(name)} ${what}`);
  if (typeof value !== "object" || value === null) throw damaged("is not an object");
  const { dtype: dtypeName, shape, data_offsets: offsets } = value as Record<string, unknown>;
  if (typeof dtypeName !== "string") throw damaged("has no element type");
  const dtype = (Object.keys(dtypeNames) as DType[]).find((known) => dtypeNames[known] === dtypeName);
  if (!dtype) throw damaged(`has element type ${quoted(dtypeName)}, which is not supported`);
  // Sizes count as at least 1 here: libtorch refuses huge ones even beside a 0.
  if (
    !isSizes(shape) ||
    shape.reduce((product, size) => product * Math.max(size, 1), 8) > Number.MAX_SAFE_INTEGER
  )
    throw damaged("has no valid shape");
  if (!isSizes(offsets) || offsets.length !== 2) throw damaged("has no valid offsets");
  const [start, end] = offsets as [number, number];
  const bytes = shape.reduce((product, size) => product * size, dtypes[dtype].bytes);
  if (end - start !== bytes) throw damaged(`claims ${end - start} bytes for ${bytes}`);
  if (end > dataBytes) throw new UserError(`${file} is cut short; use an earlier snapshot`);
  return { dtype, shape, start, end };
}

/** Entries as their bytes follow each other; one without bytes comes before the one that starts where it does. */
function inDataOrder(entries: ReadonlyMap<string, Entry>): [string, Entry][] {
  return [...entries].sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
}

/** Entries that share bytes could ask for far more memory than the file has. */
function checkNoOverlap(file: string, ordered: readonly [string, Entry][]): void {
  let previousEnd = 0;
  for (const [name, { start, end }] of ordered) {
    if (start < previousEnd)
      throw new UserError(`${file} is damaged: entry ${quoted(name)} overlaps another`);
    previousEnd = end;
  }
}

/** Text from a file as part of a message: on one line and not endless. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
