// Latents and classes as inputs of a generator.

import { RandomState } from "../numpy/randomState.js";
import { oneHot } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Device, Tensor } from "../torch/tensor.js";
import { tensor } from "../torch/tensor.js";

/** One latent for each seed, `RandomState(seed).randn(1, zDim)`: [seeds, zDim]. */
export function latentsOfSeeds(seeds: readonly number[], zDim: number): Tensor {
  const values = new Float32Array(seeds.length * zDim);
  for (const [i, seed] of seeds.entries()) values.set(new RandomState(seed).randn(zDim), i * zDim);
  return tensor(values, [seeds.length, zDim]);
}

/** `count` latents of one seed, `RandomState(seed).randn(count, zDim)`: [count, zDim]. */
export function latentsOfSeed(seed: number, count: number, zDim: number): Tensor {
  return tensor(Float32Array.from(new RandomState(seed).randn(count * zDim)), [count, zDim]);
}

/** Class indices as rows [N, cDim], or null for an unconditional network (cDim 0). */
export function classRows(indices: ArrayLike<number>, cDim: number, device: Device = "cpu"): Tensor | null {
  if (cDim === 0) return null;
  return scope(() => {
    const wide = BigInt64Array.from(Array.from(indices, BigInt));
    return oneHot(tensor(wide, [wide.length]), cDim).toDevice(device);
  });
}
