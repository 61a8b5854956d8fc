// NumPy's file format of one array: a magic string, a header that is a Python dictionary, raw elements.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
// The header is read by a grammar of just that dictionary; nothing of it is evaluated.

import { statSync } from "node:fs";
import { writeFileAtomically } from "../system/atomicFile.js";
import { UserError } from "../system/errors.js";
import { readNamed } from "../system/regularFile.js";

/** Elements of an array, in row-major order. */
export type NumpyData = Uint8Array | Int32Array | BigInt64Array | Float32Array | Float64Array;

export interface NumpyArray {
  /** Sizes of the dimensions; none for a single number. */
  shape: readonly number[];
  data: NumpyData;
}

interface ElementType {
  /** As NumPy names it: byte order, kind, bytes. */
  descr: string;
  bytes: number;
  /** A view of the buffer's bytes. */
  make: (buffer: ArrayBuffer) => NumpyData;
  holds: (data: NumpyData) => boolean;
}

const elementTypes: readonly ElementType[] = [
  { descr: "|u1", bytes: 1, make: (b) => new Uint8Array(b), holds: (data) => data instanceof Uint8Array },
  { descr: "<i4", bytes: 4, make: (b) => new Int32Array(b), holds: (data) => data instanceof Int32Array },
  {
    descr: "<i8",
    bytes: 8,
    make: (b) => new BigInt64Array(b),
    holds: (data) => data instanceof BigInt64Array,
  },
  { descr: "<f4", bytes: 4, make: (b) => new Float32Array(b), holds: (data) => data instanceof Float32Array },
  { descr: "<f8", bytes: 8, make: (b) => new Float64Array(b), holds: (data) => data instanceof Float64Array },
];

const magic = Buffer.from("\x93NUMPY", "latin1");
/** Of the part before the header: magic, two bytes of version, two of length. */
const prefixBytes = magic.length + 4;
const alignment = 64;
/** NumPy's own bound. */
const maxHeaderBytes = 10_000;
const maxDimensions = 32;
/** Arrays of latents and pictures are far smaller; a damaged or hostile file may claim anything. */
export const maxNumpyBytes = 2 ** 28;

/** The bytes of a `.npy` file, version 1.0, as `numpy.save` writes it. */
export function encodeNpy({ shape, data }: NumpyArray): Uint8Array<ArrayBuffer> {
  const count = shape.reduce((product, size) => product * size, 1);
  if (count !== data.length)
    throw new Error(`npy: shape [${shape.join(", ")}] takes ${count} elements, not ${data.length}`);
  const type = elementTypes.find(({ holds }) => holds(data)) as ElementType;
  // A tuple of one element has a comma in Python.
  const tuple = `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
  const header = `{'descr': '${type.descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const start = Math.ceil((prefixBytes + header.length + 1) / alignment) * alignment;
  const bytes = Buffer.alloc(start + data.byteLength, " ");
  magic.copy(bytes);
  bytes.set([1, 0], magic.length);
  bytes.writeUInt16LE(start - prefixBytes, magic.length + 2);
  bytes.write(header, prefixBytes, "latin1");
  bytes[start - 1] = 0x0a; // the header ends with a new line
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start);
  return bytes;
}

/**
 * The array in the bytes of a `.npy` file.
 * @param name what to call the file in a message
 * @throws UserError with one line that says what is wrong with it
 */
export function decodeNpy(bytes: Uint8Array, name: string): NumpyArray {
  const { header, start } = splitHeader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), name);
  const { descr, fortranOrder, shape } = parseHeader(header, name);
  const type = elementTypes.find((known) => known.descr === descr);
  if (!type) {
    const known = elementTypes.map((element) => element.descr).join(", ");
    throw new UserError(
      `${name} has elements of type ${quoted(descr)}; save it with astype("float32") (readable: ${known})`,
    );
  }
  if (fortranOrder && shape.length > 1)
    throw new UserError(`${name} is in Fortran order; save it with numpy.ascontiguousarray`);
  const size = shape.reduce((product, length) => product * length, type.bytes);
  const data = bytes.subarray(start);
  if (size !== data.length)
    throw new UserError(
      `${name} is damaged: shape (${shape.join(", ")}) of ${descr} takes ${size} bytes, the file has ${data.length}`,
    );
  // A copy, so that the elements are aligned.
  return { shape, data: type.make(new Uint8Array(data).buffer) };
}

/** Writes one array; it appears under its name only when it is complete. */
export function writeNpy(file: string, array: NumpyArray): void {
  writeFileAtomically(file, encodeNpy(array));
}

/** @throws UserError with one line that says what is wrong with the file */
export function readNpy(file: string): NumpyArray {
  checkFile(file, "array");
  return decodeNpy(readNamed(file, maxNumpyBytes), file);
}

/** @throws UserError when `file` is not there, is no file or is too large to be what is wanted */
export function checkFile(file: string, what: string): void {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (!stats) throw new UserError(`${file}: no such file`);
  if (!stats.isFile())
    throw new UserError(`${file} is not a file; give ${what === "array" ? "an" : "a"} ${what}`);
  if (stats.size > maxNumpyBytes)
    throw new UserError(`${file} is larger than ${maxNumpyBytes / 2 ** 20} MiB, too large for an array`);
}

function splitHeader(bytes: Buffer, name: string): { header: string; start: number } {
  if (bytes.length < prefixBytes || !bytes.subarray(0, magic.length).equals(magic))
    throw new UserError(`${name} is not a NumPy array file (.npy)`);
  const version = bytes[magic.length] as number;
  if (version < 1 || version > 3)
    throw new UserError(`${name} has version ${version} of the npy format; 1 to 3 are known`);
  // From version 2 on the length takes four bytes.
  const wide = version > 1;
  const headerStart = prefixBytes + (wide ? 2 : 0);
  if (bytes.length < headerStart) throw new UserError(`${name} is cut short`);
  const length = wide ? bytes.readUInt32LE(magic.length + 2) : bytes.readUInt16LE(magic.length + 2);
  if (length > maxHeaderBytes)
    throw new UserError(`${name} is damaged: a header of ${length} bytes (at most ${maxHeaderBytes})`);
  const start = headerStart + length;
  if (bytes.length < start) throw new UserError(`${name} is cut short`);
  return { header: bytes.toString("latin1", headerStart, start), start };
}

interface Header {
  descr: string;
  fortranOrder: boolean;
  shape: number[];
}

/** `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, keys in any order. */
function parseHeader(header: string, name: string): Header {
  const damaged = (what: string) => new UserError(`${name} is damaged: its header ${what}`);
  const fields = /^\{(.*)\}\s*$/s.exec(header)?.[1];
  if (fields === undefined) throw damaged("is no dictionary");
  const found = new Map<string, string>();
  let rest = fields.trim();
  while (rest !== "") {
    const [whole, key, value] =
      /^'(\w+)'\s*:\s*('[^'\\]*'|True|False|\([\d\s,]*\))\s*(?:,\s*|$)/.exec(rest) ?? [];
    if (whole === undefined || key === undefined || value === undefined) {
      throw /^'descr'\s*:\s*\[/.test(rest)
        ? new UserError(`${name} is a structured array; save its fields as arrays of their own`)
        : damaged(`does not go on at ${quoted(rest)}`);
    }
    if (found.has(key)) throw damaged(`has ${key} twice`);
    found.set(key, value);
    rest = rest.slice(whole.length);
  }
  const descr = /^'(.*)'$/.exec(found.get("descr") ?? "")?.[1];
  const order = /^(True|False)$/.exec(found.get("fortran_order") ?? "")?.[1];
  const shape = /^\((.*)\)$/s.exec(found.get("shape") ?? "")?.[1];
  if (descr === undefined || order === undefined || shape === undefined || found.size !== 3)
    throw damaged("must have descr, fortran_order and shape, and nothing else");
  return { descr, fortranOrder: order === "True", shape: parseShape(shape, damaged) };
}

function parseShape(text: string, damaged: (what: string) => UserError): number[] {
  const sizes = text.split(",").map((size) => size.trim());
  if (sizes.at(-1) === "") sizes.pop();
  if (!sizes.every((size) => /^\d{1,15}$/.test(size)) || sizes.length > maxDimensions)
    throw damaged(`has no valid shape: ${quoted(`(${text})`)}`);
  const shape = sizes.map(Number);
  // Sizes count as at least 1 here: libtorch refuses huge ones even beside a 0.
  if (shape.reduce((product, size) => product * Math.max(size, 1), 1) > maxNumpyBytes)
    throw damaged(`claims an array that is too large: (${text})`);
  return shape;
}

/** Text from a file as part of a message: on one line and not endless. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
