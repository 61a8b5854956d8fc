// What keeps a projection from painting the picture into the noise maps.
// Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), appendix D.

import { avgPool2d } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";

/** No map smaller than this is halved. */
const smallest = 8;

/**
 * How much neighbours in noise maps [H, W] resemble each other, at every scale; 0 for ideal noise. Over all maps, and over
 * each map's means of 2x2 squares, of 4x4 squares and so on down to 8x8:
 *
 *     Σ (mean of n(x, y) n(x - 1, y))² + (mean of n(x, y) n(x, y - 1))²
 *
 * with the maps' edges joined. Each halving doubles the values, which keeps white noise at unit variance.
 * @returns a scalar; null without maps
 */
export function noiseRegularization(maps: readonly Tensor[]): Tensor | null {
  if (maps.length === 0) return null;
  return scope(() => {
    let sum: Tensor | undefined;
    for (const map of maps) {
      for (const n of pyramid(map)) {
        for (const dim of [2, 3]) {
          const likeness = n.mul(n.roll(1, dim)).mean().square();
          sum = sum ? sum.add(likeness) : likeness;
        }
      }
    }
    return sum as Tensor;
  });
}

/** A map [H, W] and its halvings: [1, 1, H, W], [1, 1, H / 2, W / 2], … */
function pyramid(map: Tensor): Tensor[] {
  const levels = [map.reshape([1, 1, ...map.shape])];
  for (let n = levels[0] as Tensor; n.size(3) > smallest; levels.push(n)) n = avgPool2d(n, 2).mul(2);
  return levels;
}

/** The maps at mean 0 and variance 1 each, in place. */
export function normalizeNoise(maps: readonly Tensor[]): void {
  for (const map of maps) {
    scope(() => {
      const n = map.detach();
      const centred = n.sub(n.mean());
      n.copy_(centred.mul(centred.square().mean().rsqrt()));
    });
  }
}
