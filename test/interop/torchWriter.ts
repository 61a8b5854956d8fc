// torch.save's two formats and the plain pickles of NVIDIA's trainers, for tests.

import { crc32 } from "node:zlib";
import { Call, Global, Reference, type TorchTensor, Tuple, writePickle } from "./pickleWriter.js";

/** Collects the storages that a pickle of torch.save refers to. */
class Storages {
  readonly byKey = new Map<string, TorchTensor>();

  readonly refer = (tensor: TorchTensor): Reference => {
    const key = String(this.byKey.size);
    this.byKey.set(key, tensor);
    return new Reference(storageId(tensor, key));
  };
}

function storageId(tensor: TorchTensor, key: string, ...view: readonly null[]): Tuple {
  const type = new Global("torch", `${tensor.layout.dtype}Storage`);
  return new Tuple("storage", type, key, "cpu", tensor.storageElements, ...view);
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

const length8 = (tensor: TorchTensor) => uint64(tensor.storageElements);

/** The magic number, the version and the writer's sizes, each a pickle. */
function legacyHead(pickle: (value: unknown) => Buffer): Buffer {
  const sizes = new Map(Object.entries({ short: 2, int: 4, long: 4 }));
  const system = new Map<string, unknown>(
    Object.entries({ protocol_version: 1001, little_endian: true, type_sizes: sizes }),
  );
  return Buffer.concat([0x1950a86a20f9469cfc6cn, 1001, system].map(pickle));
}

/** torch.save before 1.6. */
export function legacyFile(root: unknown): Buffer {
  const storages = new Storages();
  const pickle = (value: unknown) => writePickle(value, { protocol: 2, storage: storages.refer });
  const object = pickle(root);
  const elements = [...storages.byKey.values()].flatMap((tensor) => [length8(tensor), tensor.storageBytes()]);
  return Buffer.concat([legacyHead(pickle), object, pickle([...storages.byKey.keys()]), ...elements]);
}

/** torch.save since 1.6; `zip64` as it writes files beyond 4 GB. */
export function zipFile(root: unknown, { zip64 = false } = {}): Buffer {
  const storages = new Storages();
  const pickle = writePickle(root, { protocol: 2, storage: storages.refer });
  const elements = [...storages.byKey].map(
    ([key, tensor]) => [`archive/data/${key}`, tensor.storageBytes()] as const,
  );
  return storedZip(
    [
      ["archive/data.pkl", pickle],
      ["archive/byteorder", Buffer.from("little")],
      ...elements,
      ["archive/version", Buffer.from("3\n")],
    ],
    zip64,
  );
}

/** pickle.dump of an object with tensors, each of whose storages is a file of torch.save by itself. */
export function plainPickle(root: unknown, { storages = "legacy" as "legacy" | "zip" } = {}): Buffer {
  const storage = (tensor: TorchTensor) =>
    new Call("torch.storage", "_load_from_bytes", storageFile(tensor, storages));
  return writePickle(root, { protocol: 4, storage });
}

/** A file of torch.save that holds a storage and nothing else. */
function storageFile(tensor: TorchTensor, format: "legacy" | "zip"): Buffer {
  const reference = new Reference(storageId(tensor, "0", ...(format === "legacy" ? [null] : [])));
  const pickle = (value: unknown) => writePickle(value, { protocol: 2, storage: () => reference });
  const elements = tensor.storageBytes();
  if (format === "zip")
    return storedZip([
      ["archive/data.pkl", pickle(reference)],
      ["archive/data/0", elements],
    ]);
  return Buffer.concat([legacyHead(pickle), pickle(reference), pickle(["0"]), length8(tensor), elements]);
}

/** A zip without compression; with `zip64`, as torch writes it beyond 4 GB. */
function storedZip(entries: readonly (readonly [string, Buffer])[], zip64 = false): Buffer {
  const all32 = 0xffffffff;
  const chunks: Buffer[] = [];
  const directory: Buffer[] = [];
  let position = 0;
  const put = (...buffers: Buffer[]) => {
    chunks.push(...buffers);
    for (const { length } of buffers) position += length;
  };
  for (const [name, bytes] of entries) {
    const start = position;
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50);
    local.writeUInt32LE(crc32(bytes), 14);
    local.writeUInt32LE(bytes.length, 18);
    local.writeUInt32LE(bytes.length, 22);
    local.writeUInt16LE(name.length, 26);
    put(local, Buffer.from(name), bytes);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50);
    entry.writeUInt32LE(crc32(bytes), 16);
    entry.writeUInt32LE(zip64 ? all32 : bytes.length, 20);
    entry.writeUInt32LE(zip64 ? all32 : bytes.length, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt16LE(zip64 ? 28 : 0, 30);
    entry.writeUInt32LE(zip64 ? all32 : start, 42);
    const sizes = [bytes.length, bytes.length, start].map(uint64);
    const extra = zip64 ? [Buffer.from([1, 0, 24, 0]), ...sizes] : [];
    directory.push(entry, Buffer.from(name), ...extra);
  }
  const start = position;
  put(...directory);
  const size = position - start;
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  if (zip64) {
    const record = Buffer.alloc(56);
    record.writeUInt32LE(0x06064b50);
    record.writeUInt32LE(44, 4);
    for (const [at, value] of [entries.length, entries.length, size, start].entries())
      uint64(value).copy(record, 24 + 8 * at);
    const locator = Buffer.alloc(20);
    locator.writeUInt32LE(0x07064b50);
    uint64(position).copy(locator, 8);
    locator.writeUInt32LE(1, 16);
    put(record, locator);
  }
  end.writeUInt16LE(zip64 ? 0xffff : entries.length, 8);
  end.writeUInt16LE(zip64 ? 0xffff : entries.length, 10);
  end.writeUInt32LE(zip64 ? all32 : size, 12);
  end.writeUInt32LE(zip64 ? all32 : start, 16);
  put(end);
  return Buffer.concat(chunks);
}
