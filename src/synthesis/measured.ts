// What the measures see of data and generators.

import type { MeasuredNetwork } from "../metrics/metric.js";
import type { MetricImageSet } from "../metrics/reals.js";
import type { Generator } from "../networks/network.js";
import { gaussian, type Random } from "../system/random.js";
import { noGrad } from "../torch/autograd.js";
import { randn } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import { type Tensor, tensor, tensorFromBytes } from "../torch/tensor.js";
import { noiseMapsOf } from "./noiseMaps.js";
import { mapLatents, synthesizeImages } from "./render.js";

/** Real pictures with their classes. A `Dataset` is one. */
export interface MeasuredData extends MetricImageSet {
  /** Two sets with the same fingerprint have the same pictures in the same order. */
  readonly fingerprint: string;
  /** Class index of a picture; -1 when unconditional. */
  label(index: number): number;
}

/** The pictures of one class alone. */
export function ofClass(data: MeasuredData, classIndex: number): MeasuredData {
  const indices = Array.from({ length: data.length }, (_, i) => i).filter(
    (i) => data.label(i) === classIndex,
  );
  return { ...picked(data, indices), fingerprint: `${data.fingerprint} class ${classIndex}` };
}

/** The pictures at `indices`. */
export function picked(data: MeasuredData, indices: ArrayLike<number>): MeasuredData {
  const at = (index: number) => indices[index] as number;
  return {
    resolution: data.resolution,
    length: indices.length,
    fingerprint: `${data.fingerprint} at ${Array.from(indices)}`,
    label: (index) => data.label(at(index)),
    readImage: (index, target, offset) => data.readImage(at(index), target, offset),
  };
}

/** `size` reals from `start` on as bytes [size, 3, R, R]; those after the last are the same again, mirrored. */
export function realBatch(data: MeasuredData, { start, size }: { start: number; size: number }): Tensor {
  const { resolution, length } = data;
  const bytes = resolution ** 2 * 3;
  const pixels = new Uint8Array(size * bytes);
  for (let i = 0; i < size; i++) data.readImage((start + i) % length, pixels, i * bytes);
  return scope(() => {
    const pictures = tensorFromBytes(pixels, [size, resolution, resolution, 3], "uint8").permute([
      0, 3, 1, 2,
    ]);
    const upright = Math.max(0, Math.min(size, length - start));
    if (upright === size) return pictures.contiguous();
    const result = pictures.contiguous();
    const mirrored = result.narrow(0, upright, size - upright);
    mirrored.copy_(mirrored.flip([3]));
    return result;
  });
}

/** Latents, and classes as often as the data has them. */
export interface Draws {
  next(count: number): { z: Tensor; classes: number[] };
}

export function drawsOf(
  data: MeasuredData,
  { zDim, latents, classes }: { zDim: number; latents: Random; classes: Random },
): Draws {
  return {
    next(count) {
      const values = Float32Array.from({ length: count * zDim }, () => gaussian(latents));
      const indices = Array.from({ length: count }, () => Math.floor(classes() * data.length));
      return {
        z: tensor(values, [count, zDim]),
        classes: indices.map((index) => Math.max(data.label(index), 0)),
      };
    },
  };
}

/** A generator whose stored noise may be drawn anew; `restore` puts back what it had. */
export function measuredNetwork(
  G: Generator,
  { draws, random }: { draws: Draws; random: Random },
): MeasuredNetwork & { restore(): void } {
  const maps = noiseMapsOf(G);
  const own = maps.map((map) => noGrad(() => map.clone()).keep());
  return {
    resolution: G.resolution,
    random,
    draw: (count) => draws.next(count),
    map: (z, classes) => mapLatents(G, { z, classes }),
    synthesize: (ws) => synthesizeImages(G, ws, "const"),
    renewNoise() {
      noGrad(() => {
        for (const map of maps) map.copy_(randn(map.shape, { device: map.device }));
      });
    },
    restore() {
      noGrad(() => {
        for (const [i, map] of maps.entries()) map.copy_(own[i] as Tensor);
      });
      for (const map of own) map.dispose();
    },
  };
}
