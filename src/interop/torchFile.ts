// What PyTorch and NumPy put into pickles: tensors whose elements stay in the file until they are asked for.
// torch.save writes a zip (since 1.6) or a row of pickles followed by the elements (before, and for every tensor
// inside of a plain pickle).

import { type DType, dtypes } from "../torch/dtype.js";
import { scope } from "../torch/scope.js";
import { type Shape, type Tensor, tensorFromBytes } from "../torch/tensor.js";
import { type ByteSource, SourcePart } from "./byteSource.js";
import {
  ForbiddenGlobal,
  PickleBudget,
  PickleBytes,
  PickleError,
  type PickleGlobal,
  PickleObject,
  printable,
  readPickle,
} from "./pickle.js";
import { isZip, ZipDirectory } from "./zipDirectory.js";

/** The file is nothing that is read here. */
export class NoKnownFormat extends PickleError {
  override name = "NoKnownFormat";
}

/** A tensor that can be read; the shape is known before. */
export interface StoredTensor {
  readonly shape: Shape;
  /** Its elements as float32; owned by the caller. */
  read(): Tensor;
}

/** A class instance of which only the state is known: no code of it is here. */
export class PlainObject extends PickleObject {
  state: unknown = null;

  override setState(state: unknown): void {
    this.state = state;
  }
}

/** An object of one of NVIDIA's classes that are saved with their source text, which is never looked at. */
export class PersistentObject {
  readonly className: string;
  /** Its attributes; for a torch.nn.Module also `_parameters`, `_buffers` and `_modules`. */
  readonly state: ReadonlyMap<unknown, unknown>;

  constructor(className: string, state: ReadonlyMap<unknown, unknown>) {
    this.className = className;
    this.state = state;
  }
}

/**
 * The object that a file of torch.save or pickle.dump holds: plain values, `StoredTensor`s, `PersistentObject`s.
 * @throws PickleError with one line that says what is wrong; RangeError when the file is cut short
 */
export function readTorchFile(source: ByteSource): unknown {
  const budget = new PickleBudget();
  const globals = globalsOf(budget);
  if (isZip(source)) return readZip(source, globals, budget);
  if (isLegacy(source)) return readLegacy(source, globals, budget);
  const startsAsPickle = source.length > 1 && source.read(0, 1)[0] === protocolOpcode;
  try {
    return readPickle(source, 0, { globals, budget }).value;
  } catch (error) {
    // Pickles of the oldest protocols start with anything: such a file is one if it asks for something of Python's.
    if (startsAsPickle || error instanceof ForbiddenGlobal) throw error;
    throw new NoKnownFormat("it is neither a zip nor a pickle");
  }
}

// ---- storages: the elements that tensors look at ----

const storageTypes: Readonly<Record<string, DType>> = {
  FloatStorage: "float32",
  DoubleStorage: "float64",
  HalfStorage: "float16",
  BFloat16Storage: "bfloat16",
  LongStorage: "int64",
  IntStorage: "int32",
  ByteStorage: "uint8",
  BoolStorage: "bool",
};

class StorageType implements PickleGlobal {
  readonly dtype: DType;

  constructor(dtype: DType) {
    this.dtype = dtype;
  }

  call(): never {
    throw new PickleError("it makes a storage without a file");
  }
}

class Storage {
  readonly dtype: DType;
  readonly elements: number;
  /** Undefined until the pickle that names it has been read. */
  bytes: ByteSource | undefined;

  constructor(dtype: DType, elements: number) {
    this.dtype = dtype;
    this.elements = elements;
  }

  get byteLength(): number {
    return this.elements * dtypes[this.dtype].bytes;
  }
}

/** ("storage", type, key, device, elements[, view]) as torch's picklers name a storage. */
function storageFromId(id: unknown): { key: string; storage: Storage } {
  const [kind, type, key, , elements, view = null] = Array.isArray(id) ? id : [];
  const valid = kind === "storage" && type instanceof StorageType && typeof key === "string";
  if (!valid || !isSize(elements) || view !== null)
    throw new PickleError("it refers to an object that is no tensor's storage");
  return { key, storage: new Storage(type.dtype, elements) };
}

/** One storage for each key; every mention of a key must agree. */
class StorageTable {
  readonly byKey = new Map<string, Storage>();

  readonly load = (id: unknown): Storage => {
    const { key, storage } = storageFromId(id);
    const known = this.byKey.get(key);
    if (!known) {
      this.byKey.set(key, storage);
      return storage;
    }
    if (known.dtype !== storage.dtype || known.elements !== storage.elements)
      throw new PickleError(`storage ${printable(key)} has two sizes`);
    return known;
  };

  named(key: unknown): Storage {
    const storage = typeof key === "string" ? this.byKey.get(key) : undefined;
    if (!storage) throw new PickleError("it holds a storage that no tensor uses");
    return storage;
  }
}

// ---- the two formats of torch.save ----

type Globals = ReadonlyMap<string, PickleGlobal>;

/** The first byte of every pickle of protocol 2 on. */
const protocolOpcode = 0x80;
const legacyMagic = 0x1950a86a20f9469cfc6cn;

/** Whether the first pickle is the magic number. */
function isLegacy(source: ByteSource): boolean {
  const magic = Buffer.from("8a0a6cfc9c46f9206aa850192e", "hex");
  return source.length > 2 + magic.length && source.read(2, magic.length).equals(magic);
}

/** Pickles of a magic number, a version, the writer's sizes, the object and the keys; then the elements. */
function readLegacy(source: ByteSource, globals: Globals, budget: PickleBudget): unknown {
  const table = new StorageTable();
  let position = 0;
  const next = (persistentLoad?: (id: unknown) => unknown): unknown => {
    const options = { globals, budget, ...(persistentLoad ? { persistentLoad } : {}) };
    const { value, end } = readPickle(source, position, options);
    position = end;
    return value;
  };
  if (next() !== legacyMagic) throw new PickleError("it holds bytes that are no file of torch.save");
  if (next() !== 1001) throw new PickleError("it is of another version of torch.save");
  const system = next();
  if (!(system instanceof Map) || system.get("little_endian") !== true)
    throw new PickleError("its numbers are big-endian; save it again on another machine");
  const value = next(table.load);
  const keys = next();
  if (!Array.isArray(keys)) throw new PickleError("it has no list of storages");
  for (const key of keys) {
    const storage = table.named(key);
    const elements = Number(source.read(position, 8).readBigUInt64LE());
    if (elements !== storage.elements) throw new PickleError(`storage ${printable(key)} has two sizes`);
    storage.bytes = new SourcePart(source, position + 8, storage.byteLength);
    position += 8 + storage.byteLength;
  }
  for (const [key, { bytes }] of table.byKey) {
    if (!bytes) throw new PickleError(`storage ${printable(key)} is missing`);
  }
  return value;
}

/** `<name>/data.pkl` with the object and `<name>/data/<key>` with the elements of each storage. */
function readZip(source: ByteSource, globals: Globals, budget: PickleBudget): unknown {
  const zip = new ZipDirectory(source);
  const names = zip.names();
  const pickle = names.find((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickle === undefined) throw new PickleError("it is a zip, but not one of torch.save: no data.pkl");
  const folder = pickle.slice(0, -"data.pkl".length);
  if (names.includes(`${folder}constants.pkl`))
    throw new PickleError("it is a TorchScript program, not weights; save the state dictionaries instead");
  if (names.includes(`${folder}byteorder`)) {
    const byteOrder = zip.open(`${folder}byteorder`);
    if (byteOrder.read(0, Math.min(byteOrder.length, 6)).toString() !== "little")
      throw new PickleError("its numbers are big-endian; save it again on another machine");
  }
  const table = new StorageTable();
  const options = { globals, budget, persistentLoad: table.load };
  const { value } = readPickle(zip.open(pickle), 0, options);
  for (const [key, storage] of table.byKey) {
    const bytes = zip.open(`${folder}data/${key}`);
    if (bytes.length < storage.byteLength) throw new PickleError(`storage ${printable(key)} is cut short`);
    storage.bytes = bytes;
  }
  return value;
}

// ---- tensors ----

class StridedTensor implements StoredTensor {
  readonly shape: Shape;
  readonly #storage: Storage;
  readonly #offset: number;
  readonly #strides: readonly number[];

  /** @throws PickleError when it reaches beyond its storage or meets an element more than once */
  constructor(storage: Storage, offset: unknown, shape: unknown, strides: unknown) {
    if (!isSize(offset) || !isSizes(shape) || !isSizes(strides) || shape.length !== strides.length)
      throw new PickleError("a tensor has no valid shape");
    const elements = shape.reduce((product, size) => product * size, 1);
    const last = shape.reduce((sum, size, dim) => sum + (size - 1) * (strides[dim] as number), offset);
    const fits = elements <= storage.elements && last < storage.elements;
    if (!fits && elements > 0) throw new PickleError(`a tensor [${shape}] reaches beyond its storage`);
    this.shape = [...shape];
    this.#storage = storage;
    this.#offset = offset;
    this.#strides = [...strides];
  }

  read(): Tensor {
    const { shape } = this;
    const { dtype, bytes } = this.#storage;
    if (!bytes) throw new PickleError("a tensor has no elements");
    if (shape.includes(0)) throw new PickleError("a tensor is empty");
    const strides = this.#strides;
    const span = shape.reduce((sum, size, dim) => sum + (size - 1) * (strides[dim] as number), 1);
    const size = dtypes[dtype].bytes;
    const part = bytes.read(this.#offset * size, span * size);
    return scope(() =>
      tensorFromBytes(part, [span], dtype).asStrided(shape, strides).contiguous().to("float32"),
    );
  }
}

// ---- the closed list of globals ----

/** A function by what it does with its arguments. */
function callable(call: (args: readonly unknown[]) => unknown): PickleGlobal {
  return { call };
}

function dictionaryOf(pairs: unknown, budget: PickleBudget): Map<unknown, unknown> {
  chargeCopy(pairs, budget);
  if (pairs === undefined || pairs === null) return new Map();
  if (pairs instanceof Map) return new Map(pairs);
  if (!Array.isArray(pairs) || !pairs.every((pair) => Array.isArray(pair) && pair.length === 2))
    throw new PickleError("a dictionary is made of something else than pairs");
  return new Map(pairs as [unknown, unknown][]);
}

function setOf(values: unknown, budget: PickleBudget): Set<unknown> {
  chargeCopy(values, budget);
  return new Set(Array.isArray(values) ? values : []);
}

/** A pickle may name the same long list many times. */
function chargeCopy(values: unknown, budget: PickleBudget): void {
  const count = values instanceof Map ? values.size : Array.isArray(values) ? values.length : 0;
  budget.instruction(8 + count);
}

const rebuildTensor = callable(([storage, offset, shape, strides]) => {
  if (!(storage instanceof Storage)) throw new PickleError("a tensor has no storage");
  return new StridedTensor(storage, offset, shape, strides);
});

/** Storages may only be pickled by themselves: no global but their types. */
const storageGlobals: Globals = new Map(
  Object.entries(storageTypes).map(([name, dtype]) => [`torch ${name}`, new StorageType(dtype)]),
);

function globalsOf(budget: PickleBudget): Globals {
  const loadFromBytes = callable(([bytes]) => {
    if (!(bytes instanceof PickleBytes)) throw new PickleError("a storage is not made of bytes");
    const { source } = bytes;
    const read = isZip(source) ? readZip : readLegacy;
    const storage = read(source, storageGlobals, budget);
    if (!(storage instanceof Storage)) throw new PickleError("a storage is something else");
    return storage;
  });
  const dictionary = callable(([pairs]) => dictionaryOf(pairs, budget));
  const set = callable(([values]) => setOf(values, budget));
  return new Map<string, PickleGlobal>([
    ...storageGlobals,
    ["torch.storage _load_from_bytes", loadFromBytes],
    ["torch._utils _rebuild_tensor", rebuildTensor],
    ["torch._utils _rebuild_tensor_v2", rebuildTensor],
    ["torch._utils _rebuild_parameter", callable(([data]) => data)],
    ["torch._utils _rebuild_parameter_with_state", callable(([data]) => data)],
    ["dnnlib.tflib.network Network", callable(tensorFlowNetwork)],
    ["torch_utils.persistence _reconstruct_persistent_obj", callable(([meta]) => persistentObject(meta))],
    ["collections OrderedDict", dictionary],
    ["dnnlib.util EasyDict", dictionary],
    ["dnnlib EasyDict", dictionary],
    ["builtins set", set],
    ["__builtin__ set", set],
    ["argparse Namespace", callable(() => new PlainObject())],
    ["numpy dtype", callable(([name]) => new NumpyType(name))],
    ["numpy.core.multiarray scalar", callable(numpyScalar)],
    ["numpy._core.multiarray scalar", callable(numpyScalar)],
    ["_codecs encode", callable(latin1)],
    // Arrays among a StyleGAN3's attributes, which no StyleGAN2 has: it can be told by its name if they are passed over.
    ["numpy ndarray", callable(() => new PlainObject())],
    ["numpy.core.multiarray _reconstruct", callable(() => new PlainObject())],
    ["numpy._core.multiarray _reconstruct", callable(() => new PlainObject())],
  ]);
}

function tensorFlowNetwork(): never {
  throw new PickleError(
    "it holds TensorFlow networks; legacy.py of NVIDIA's PyTorch repositories makes a pickle of them that can be read here",
  );
}

function persistentObject(meta: unknown): PersistentObject {
  if (!(meta instanceof Map)) throw new PickleError("one of its objects has no description");
  const [type, className, state] = ["type", "class_name", "state"].map((name) => meta.get(name) as unknown);
  if (type !== "class" || typeof className !== "string" || !(state instanceof Map))
    throw new PickleError("one of its objects is not described as NVIDIA's tools do");
  return new PersistentObject(className, state);
}

/** NumPy's type of a single number. */
class NumpyType extends PickleObject {
  readonly #name: unknown;
  #byteOrder: unknown = "<";

  constructor(name: unknown) {
    super();
    this.#name = name;
  }

  override setState(state: unknown): void {
    this.#byteOrder = Array.isArray(state) ? state[1] : undefined;
  }

  decode(bytes: Buffer): unknown {
    if (this.#byteOrder === "<" || this.#byteOrder === "|") {
      if (this.#name === "f8") return bytes.readDoubleLE();
      if (this.#name === "f4") return bytes.readFloatLE();
      if (this.#name === "i8") return Number(bytes.readBigInt64LE());
      if (this.#name === "i4") return bytes.readInt32LE();
      if (this.#name === "b1") return bytes.readUInt8() !== 0;
    }
    throw new PickleError(`a NumPy number has the type ${printable(String(this.#name))}, which is not known`);
  }
}

function numpyScalar([type, value]: readonly unknown[]): unknown {
  if (!(type instanceof NumpyType) || !(value instanceof PickleBytes || Buffer.isBuffer(value)))
    throw new PickleError("a NumPy number is damaged");
  const { length } = value instanceof PickleBytes ? value.source : value;
  if (length > 8) throw new PickleError("a NumPy number is damaged");
  return type.decode(value instanceof PickleBytes ? value.source.read(0, length) : value);
}

/** How protocol 2 writes `bytes`: text whose code points are the bytes. Only small ones are written so. */
function latin1([text, encoding]: readonly unknown[]): Buffer {
  if (typeof text !== "string" || encoding !== "latin1" || text.length > 64)
    throw new PickleError("it encodes text, which networks do not need");
  return Buffer.from(text, "latin1");
}

// ---- checks ----

function isSize(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= 8 && value.every(isSize);
}
