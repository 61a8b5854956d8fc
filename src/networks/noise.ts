// The noise that a layer of a generator adds to its features, one map for all channels.

import { randn } from "../torch/random.js";
import type { Tensor } from "../torch/tensor.js";
import { checkShape } from "./checkShape.js";
import type { NoiseMode } from "./network.js";

/** A mode, or the map itself [1 or N, 1, H, W]. */
export type NoiseSource = NoiseMode | Tensor;

/**
 * The map for `n` samples [1 or n, 1, H, W], as its source says; undefined for none. The caller's.
 * @param stored the layer's constant map [H, W]
 */
export function noiseMap(
  source: NoiseSource,
  { stored, n }: { stored: Tensor; n: number },
): Tensor | undefined {
  if (source === "none") return undefined;
  const [h, w] = stored.shape as [number, number];
  if (source === "const") return stored.reshape([1, 1, h, w]);
  const { device, dtype } = stored;
  return source === "random" ? randn([n, 1, h, w], { device, dtype }) : source;
}

/** @throws Error when `noises` are not one map [1 or n, 1, size, size] for each of the layers' sizes */
export function checkNoises(
  noises: readonly Tensor[],
  { sizes, n, where = "" }: { sizes: readonly number[]; n: number; where?: string },
): void {
  if (noises.length !== sizes.length)
    throw new Error(`noise has ${noises.length} maps, expected ${sizes.length}${where}`);
  for (const [i, size] of sizes.entries()) {
    const noise = noises[i] as Tensor;
    checkShape(`noise ${i}`, noise, [noise.shape[0] === 1 ? 1 : n, 1, size, size]);
  }
}
