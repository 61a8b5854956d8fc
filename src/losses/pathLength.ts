// Path length regularization: steps of one size in W change the image by one amount, wherever they start.
// Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), equation 4: E (|J_wᵀ y| - a)².
//
// The paper's a is the running mean of the lengths. Two forms of it stand here: the published program's, which this
// batch has moved already, and the minimal StyleGAN2's, which is the mean before this batch without the pull of its start.

import { grad, noGrad } from "../torch/autograd.js";
import { randn } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";

/**
 * |J_wᵀ y| of each sample, [N], to be differentiated again. The norm is taken over each layer's w and averaged (in
 * squares) over the layers; y is scaled by 1 / √(H W).
 */
export function pathLengths({
  images,
  ws,
  noise,
}: {
  /** Generated from `ws` [N, C, H, W]. */
  images: Tensor;
  /** [N, L, wDim], requiring gradients. */
  ws: Tensor;
  /** The random image y [N, C, H, W]; drawn from N(0, 1) when absent. */
  noise?: Tensor | undefined;
}): Tensor {
  return scope(() => {
    const [, , height, width] = images.shape as [number, number, number, number];
    const y = noise ?? randn(images.shape, { device: images.device, dtype: images.dtype });
    const projection = images.mul(y.mul(1 / Math.sqrt(height * width))).sum();
    const [gradient] = grad([projection], [ws], { createGraph: true });
    return (gradient as Tensor).square().sum([2]).mean([1]).sqrt();
  });
}

/**
 * a as the published program has it, []: the running mean after it has moved towards the mean of these lengths [N].
 * @param mean [] before
 * @param decay how far it moves
 * @param inGradient whether the share that these lengths have in a carries a gradient, as in the published program.
 *   Without: the paper's a is a constant.
 */
export function movedMean(options: {
  mean: Tensor;
  lengths: Tensor;
  decay: number;
  inGradient: boolean;
}): Tensor {
  const { mean, lengths, decay, inGradient } = options;
  if (inGradient) return scope(() => mean.lerp(lengths.mean(), decay));
  return noGrad(() => mean.lerp(lengths.detach().mean(), decay));
}

/**
 * a as the minimal StyleGAN2 has it, []: the running mean before this batch, divided by 1 - (1 - decay)^updates, which
 * takes the pull of its start at 0 out.
 * @param updates how often the mean has moved; not 0, when there is no a
 */
export function unbiasedMean(options: { mean: Tensor; decay: number; updates: number }): Tensor {
  const { mean, decay, updates } = options;
  return noGrad(() => mean.div(1 - (1 - decay) ** updates));
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
  /** Whether gradients pass through the moved mean too (see `movedMean`). Default false. */
  meanInGradient?: boolean;
}

/**
 * Path length regularization before its weight, with the moved mean: (|J_wᵀ y| - a)² of each sample, [N], with the path
 * lengths [N] and the new mean a [].
 *
 * Differs from the published program, unless `meanInGradient` says otherwise: there the small share of `lengths` in the new
 * mean carries a gradient.
 */
export function pathLengthPenalty(options: PathLengthOptions): {
  penalty: Tensor;
  lengths: Tensor;
  mean: Tensor;
} {
  const { mean, decay, meanInGradient = false } = options;
  return scope(() => {
    const lengths = pathLengths(options);
    const moved = movedMean({ mean, lengths, decay, inGradient: meanInGradient });
    return { penalty: lengths.sub(moved).square(), lengths, mean: moved.detach() };
  });
}
