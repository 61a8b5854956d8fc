// The one way to a network in a file, whichever program wrote it.

import { basename } from "node:path";
import type { Generator } from "../networks/network.js";
import { setGrowth } from "../networks/progressive.js";
import { createGenerator } from "../networks/registry.js";
import {
  allFinite,
  checkDescription,
  disposeAll,
  loadInto,
  type NetworkPrefix,
  networkPrefixes,
  readSnapshotInfo,
  readSnapshotTensors,
  type SnapshotInfo,
  type SnapshotSource,
  snapshotShapes,
  stateOf,
} from "../networks/snapshot.js";
import { UserError } from "../system/errors.js";
import { maxHeaderBytes, readSafetensors, readSafetensorsHeader } from "../torch/safetensors.js";
import type { Tensor } from "../torch/tensor.js";
import { type ByteSource, FileSource } from "./byteSource.js";
import { type ForeignSnapshot, UnsupportedNetwork } from "./describe.js";
import { isMinimalWeights, minimalSnapshot } from "./minimal.js";
import { isNvidiaSnapshot, nvidiaSnapshot } from "./nvidia.js";
import { PickleError } from "./pickle.js";
import { isPortCheckpoint, portSnapshot } from "./port.js";
import { NoKnownFormat, readTorchFile, type StoredTensor } from "./torchFile.js";

/** A file with networks whose description is known and whose tensors can be read until `close`. */
export interface OpenSnapshot extends SnapshotSource {
  /** Whether it is a snapshot of this program, not a file of another. */
  readonly isOwn: boolean;
  /** What a person should know of a file of another program. */
  readonly notes: readonly string[];
  close(): void;
}

const knownFiles =
  "a snapshot of this program, a pickle of NVIDIA's, a checkpoint of the PyTorch port or weights of the minimal StyleGAN2";

/**
 * Opens a snapshot of this program, a pickle of NVIDIA's, a checkpoint of the PyTorch port or the minimal
 * StyleGAN2's weights, whichever the file is. Nothing in it is run.
 * @throws UserError with one line that says what is wrong with the file
 */
export function openSnapshot(file: string): OpenSnapshot {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(file))
    throw new UserError(`${file} is an address: download it first, then give the file`);
  const source = new FileSource(file);
  try {
    const weights = isSafetensors(source) ? safetensorsOf(file) : undefined;
    if (weights && !isMinimalWeights(weights)) {
      source.close();
      return openOwn(file);
    }
    const foreign = explained(file, () => (weights ? minimalSnapshot(weights) : readForeign(source)));
    const { info, format, tensors, notes } = foreign;
    explained(file, () => checkSizes(foreign, source.length));
    return described({
      file,
      info: { ...info, origin: { format, file: basename(file) } },
      isOwn: false,
      shapes: new Map([...tensors].map(([name, { shape }]) => [name, shape])),
      notes,
      read: (networks) =>
        allFinite(
          file,
          explained(file, () => readTensors(foreign, networks)),
        ),
      close: () => source.close(),
    });
  } catch (error) {
    source.close();
    throw error;
  }
}

/** A header's length, then a JSON object. */
function isSafetensors(source: ByteSource): boolean {
  if (source.length < 9) return false;
  const start = source.read(0, 9);
  return start.readBigUInt64LE() <= maxHeaderBytes && start[8] === "{".charCodeAt(0);
}

/** Tensors of a safetensors file that are read when they are asked for. */
function safetensorsOf(file: string): Map<string, StoredTensor> {
  const read = (name: string) => {
    const tensor = readSafetensors(file, (candidate) => candidate === name).tensors.get(name);
    if (!tensor) throw new UnsupportedNetwork(`it lost ${name} while it was read`);
    if (tensor.dtype === "float32") return tensor;
    const converted = tensor.to("float32");
    tensor.dispose();
    return converted;
  };
  const { shapes } = readSafetensorsHeader(file);
  return new Map([...shapes].map(([name, shape]) => [name, { shape, read: () => read(name) }]));
}

/** The networks are known to be what the file says before anything is made of them. */
function described(snapshot: OpenSnapshot): OpenSnapshot {
  checkDescription(snapshot);
  return snapshot;
}

function openOwn(file: string): OpenSnapshot {
  return described({
    file,
    info: readSnapshotInfo(file),
    isOwn: true,
    shapes: snapshotShapes(file),
    notes: [],
    read: (networks) => readSnapshotTensors(file, networks),
    close: () => {},
  });
}

/**
 * The generator in a file, ready to use; owned by the caller. `G_ema` is its moving average, `G` what is trained.
 * @throws UserError as `openSnapshot`, or when the tensors do not fit
 */
export function loadGenerator(
  file: string,
  network: "G_ema" | "G" = "G_ema",
): {
  G: Generator;
  info: SnapshotInfo;
  notes: readonly string[];
} {
  const snapshot = openSnapshot(file);
  try {
    const { info, notes, shapes } = snapshot;
    if (!networkPrefixes(shapes).includes(network))
      throw new UserError(`${file} has no generator (${network}); give another snapshot`);
    const tensors = snapshot.read([network]);
    try {
      const G = createGenerator(info.description);
      try {
        loadInto(G, stateOf(tensors, network), file);
        if (info.growth) setGrowth(G, info.growth);
      } catch (error) {
        G.dispose();
        throw error;
      }
      return { G, info, notes };
    } finally {
      disposeAll(tensors);
    }
  } finally {
    snapshot.close();
  }
}

function readForeign(source: ByteSource): ForeignSnapshot {
  const root = readTorchFile(source);
  if (isNvidiaSnapshot(root)) return nvidiaSnapshot(root);
  if (isPortCheckpoint(root)) return portSnapshot(root);
  if (isMinimalWeights(root)) return minimalSnapshot(root);
  throw new UnsupportedNetwork("it holds no networks of a kind that is known here");
}

function readTensors({ tensors }: ForeignSnapshot, networks: readonly NetworkPrefix[]): Map<string, Tensor> {
  const result = new Map<string, Tensor>();
  try {
    for (const [name, tensor] of tensors) {
      if (networks.some((network) => name.startsWith(`${network}.`))) result.set(name, tensor.read());
    }
    return result;
  } catch (error) {
    disposeAll(result);
    throw error;
  }
}

/** G may be the same object as G_ema, and half types become twice as large. */
const maxReuse = 4;
/** The noise maps that some files lack, and that are drawn, of small networks. */
const drawnBytes = 2 ** 26;

/** Tensors of a damaged file may all look at the same large part of it. @throws PickleError when they do */
function checkSizes({ tensors }: ForeignSnapshot, fileBytes: number): void {
  let budget = maxReuse * fileBytes + drawnBytes;
  for (const { shape } of tensors.values()) budget -= shape.reduce((product, size) => product * size, 4);
  if (budget < 0) throw new PickleError("its tensors hold more than the file does");
}

/** What is wrong with a file as one line that names it. */
function explained<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof NoKnownFormat) throw new UserError(`${file} is not ${knownFiles}`);
    if (error instanceof PickleError || error instanceof RangeError || error instanceof UnsupportedNetwork)
      throw new UserError(`${file} cannot be used: ${error.message}`);
    throw error;
  }
}
