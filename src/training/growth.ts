// Real images for networks that grow.

import type { Growth } from "../networks/progressive.js";
import { minLevel } from "../networks/progressive.js";
import { avgPool2d, upsampleNearest2d } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";

/**
 * Reals at the full resolution [N, 3, R, R] as the networks see them at a point of their growth: averaged down to
 * 2^level, and while a block fades in, mixed with their own lower resolution as the generator's images are.
 * Karras et al., "Progressive Growing of GANs" (2018), figure 2.
 */
export function fadeReals(images: Tensor, { level, alpha }: Growth): Tensor {
  return scope(() => {
    const factor = images.size(2) / 2 ** level;
    const x = factor === 1 ? images : avgPool2d(images, factor);
    if (alpha === 1 || level === minLevel) return x;
    return upsampleNearest2d(avgPool2d(x, 2), 2).lerp(x, alpha);
  });
}
