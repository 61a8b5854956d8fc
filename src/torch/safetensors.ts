// The safetensors file format: an 8-byte length, a JSON header, raw little-endian tensors. Nothing in it runs.
// https://github.com/huggingface/safetensors#format

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { writeFileAtomically } from "../system/atomicFile.js";
import { UserError } from "../system/errors.js";
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

const maxHeaderBytes = 100_000_000;

interface Entry {
  dtype: DType;
  shape: number[];
  start: number;
  end: number;
}

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
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const [name, tensor] of tensors) {
    const { dtype, shape, numel } = tensor;
    const end = offset + numel * dtypes[dtype].bytes;
    header[name] = { dtype: dtypeNames[dtype], shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.alloc(Math.ceil(json.length / 8) * 8, " ");
  json.copy(padded);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  writeFileAtomically(file, function* () {
    yield length;
    yield padded;
    for (const tensor of tensors.values()) yield tensor.toBytes();
  });
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
    for (const [name, { dtype, shape, start, end }] of entries) {
      if (!wanted(name)) continue;
      const bytes = readAt(file, fd, dataStart + start, end - start);
      tensors.set(name, tensorFromBytes(bytes, shape, dtype));
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
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new UserError(code === "ENOENT" ? `${file}: no such file` : `${file} cannot be opened (${code})`);
  }
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
  const stats = fstatSync(fd);
  if (!stats.isFile()) throw new UserError(`${file} is not a file`);
  const { size } = stats;
  if (size < 8) throw new UserError(`${file} is not a safetensors file (${size} bytes)`);
  const headerBytes = Number(readAt(file, fd, 0, 8).readBigUInt64LE());
  if (headerBytes > maxHeaderBytes) throw new UserError(`${file} is not a safetensors file`);
  if (8 + headerBytes > size) throw new UserError(`${file} is cut short; use an earlier snapshot`);
  let header: unknown;
  try {
    header = JSON.parse(readAt(file, fd, 8, headerBytes).toString("utf8"));
  } catch {
    throw new UserError(`${file} is not a safetensors file (its header is not JSON)`);
  }
  if (typeof header !== "object" || header === null || Array.isArray(header))
    throw new UserError(`${file} is not a safetensors file (its header is not an object)`);
  const dataStart = 8 + headerBytes;
  const metadata: Record<string, string> = {};
  const entries = new Map<string, Entry>();
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") Object.assign(metadata, stringsOf(value));
    else entries.set(name, parseEntry(file, name, value, size - dataStart));
  }
  checkNoOverlap(file, entries);
  return { entries, metadata, dataStart };
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

/** Entries that share bytes could ask for far more memory than the file has. */
function checkNoOverlap(file: string, entries: ReadonlyMap<string, Entry>): void {
  let previousEnd = 0;
  for (const [name, { start, end }] of [...entries].sort(
    ([, a], [, b]) => a.start - b.start || a.end - b.end,
  )) {
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
