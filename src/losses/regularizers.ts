// Regularizers that need gradients of a network inside of the loss.

import { grad, noGrad } from "../torch/autograd.js";
import { randn } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";

/**
 * R1 before its weight γ / 2: |∇ₓ D(x)|² of each real image, [N].
 * Mescheder et al., "Which Training Methods for GANs do actually Converge?" (2018), equation 9.
 * @param logits D(images) [N, 1], computed from `images`
 * @param images [N, C, H, W], requiring gradients
 */
export function r1Penalty(logits: Tensor, images: Tensor): Tensor {
  return scope(() => {
    const [gradient] = grad([logits.sum()], [images], { createGraph: true });
    return (gradient as Tensor).square().sum([1, 2, 3]);
  });
}

export interface PathLengthOptions {
  /** Generated from `ws` [N, C, H, W]. */
  images: Tensor;
  /** [N, L, wDim], requiring gradients. */
  ws: Tensor;
  /** Running mean a of the path lengths, []. */
  mean: Tensor;
  /** How far the mean moves towards this batch's. */
  decay: number;
  /** The random image y [N, C, H, W]; drawn from N(0, 1) when absent. */
  noise?: Tensor;
}

/**
 * Path length regularization before its weight: (|Jᵥᵀ y| - a)² of each sample, [N], with the path lengths [N]
 * and the new mean a [].
 * Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), equation 4. The norm is taken
 * over each layer's w and averaged (in squares) over the layers; y is scaled by 1 / √(H W).
 */
export function pathLengthPenalty(options: PathLengthOptions): {
  penalty: Tensor;
  lengths: Tensor;
  mean: Tensor;
} {
  const { images, ws, mean, decay } = options;
  return scope(() => {
    const [, , height, width] = images.shape as [number, number, number, number];
    const noise = options.noise ?? randn(images.shape, { device: images.device, dtype: images.dtype });
    const projection = images.mul(noise.mul(1 / Math.sqrt(height * width))).sum();
    const [gradient] = grad([projection], [ws], { createGraph: true });
    const lengths = (gradient as Tensor).square().sum([2]).mean([1]).sqrt();
    // Differs from the reference code, where the small share of `lengths` in the new mean carries a gradient:
    // the paper's a is a constant.
    const newMean = noGrad(() => mean.lerp(lengths.detach().mean(), decay));
    return { penalty: lengths.sub(newMean).square(), lengths, mean: newMean };
  });
}
