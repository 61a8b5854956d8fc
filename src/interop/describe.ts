// What the readers of foreign networks share.

import type { SnapshotInfo } from "../networks/snapshot.js";
import { printable } from "./pickle.js";
import type { StoredTensor } from "./torchFile.js";

/** Networks of another program in our terms. */
export interface ForeignSnapshot {
  info: Omit<SnapshotInfo, "origin">;
  /** The program that they come from, for people. */
  format: string;
  /** Under `G_ema.`, `G.` and `D.`, with our names and shapes. */
  tensors: ReadonlyMap<string, StoredTensor>;
  /** What a person should know: what was missing and what stands in its place. */
  notes: readonly string[];
}

/** The file holds networks that cannot be used here. One line that names what it is. */
export class UnsupportedNetwork extends Error {
  override name = "UnsupportedNetwork";
}

export type Tensors = ReadonlyMap<string, StoredTensor>;

/** @throws UnsupportedNetwork when there is no such tensor or it has another number of dimensions */
export function sizesOf(tensors: Tensors, name: string, dimensions: number): number[] {
  const tensor = tensors.get(name);
  if (!tensor) throw new UnsupportedNetwork(`it has no ${printable(name)}`);
  if (tensor.shape.length !== dimensions)
    throw new UnsupportedNetwork(`${printable(name)} has the shape [${tensor.shape}]`);
  return [...tensor.shape];
}

/** How many of `<prefix>0<suffix>`, `<prefix>1<suffix>`, … there are. */
export function countOf(tensors: Tensors, prefix: string, suffix: string): number {
  let count = 0;
  while (tensors.has(`${prefix}${count}${suffix}`)) count += 1;
  return count;
}

/**
 * The channelBase and channelMax with channels(r) = min(channelBase / r, channelMax) for channels at 4, 8, 16, …
 * @throws UnsupportedNetwork when there are none
 */
export function channelRule(channels: readonly number[]): { channelBase: number; channelMax: number } {
  const channelMax = Math.max(...channels);
  const last = channels.length - 1;
  // Below the maximum the rule gives the base; where nothing is, the smallest base that reaches it everywhere.
  const below = channels.findIndex((count) => count < channelMax);
  const at = below < 0 ? last : below;
  const channelBase = (channels[at] as number) * 4 * 2 ** at;
  const fits = channels.every(
    (count, i) => Math.max(Math.min(Math.floor(channelBase / (4 * 2 ** i)), channelMax), 1) === count,
  );
  if (!fits)
    throw new UnsupportedNetwork(
      `its channels at 4, 8, … pixels are ${channels.join(", ")}, which no base and maximum give`,
    );
  return { channelBase, channelMax };
}

/** `tensor` in another shape of as many elements. */
export function reshaped(tensor: StoredTensor, shape: readonly number[]): StoredTensor {
  const product = (sizes: readonly number[]) => sizes.reduce((total, size) => total * size, 1);
  if (product(tensor.shape) !== product(shape))
    throw new UnsupportedNetwork(`a tensor [${tensor.shape}] stands where [${shape}] belongs`);
  return {
    shape,
    read: () => {
      const source = tensor.read();
      const result = source.reshape(shape);
      source.dispose();
      return result;
    },
  };
}

export function isStoredTensor(value: unknown): value is StoredTensor {
  return typeof value === "object" && value !== null && "read" in value && "shape" in value;
}

/** @throws UnsupportedNetwork when `value` is no dictionary of tensors */
export function stateDictionary(value: unknown, name: string): Map<string, StoredTensor> {
  if (!(value instanceof Map)) throw new UnsupportedNetwork(`${name} is no dictionary of tensors`);
  const tensors = new Map<string, StoredTensor>();
  for (const [key, tensor] of value) {
    if (typeof key !== "string" || !isStoredTensor(tensor))
      throw new UnsupportedNetwork(`${name} holds ${printable(String(key))}, which is no tensor`);
    tensors.set(key, tensor);
  }
  return tensors;
}

/** The elements of a small tensor. */
export function valuesOf(tensor: StoredTensor): Float32Array {
  const copy = tensor.read();
  const values = copy.toFloat32Array();
  copy.dispose();
  return values;
}
