// Regularizers that need gradients of a network inside of the loss.

import { grad, noGrad } from "../torch/autograd.js";
import { rand, randn } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";

/**
 * |∇ₓ D(x)|² of each image, [N], to be differentiated again. One backward pass serves the whole batch: an image's
 * own logit is the only one that depends on it (but for the minibatch standard deviation, whose share of the
 * others stays in, as everywhere).
 */
function squaredGradientNorms(logits: Tensor, images: Tensor): Tensor {
  const [n] = images.shape;
  if (images.shape.length !== 4 || logits.shape[0] !== n) {
    throw new Error(
      `gradient penalty: logits [${logits.shape}] of images [${images.shape}], expected [N, 1] of [N, C, H, W]`,
    );
  }
  return scope(() => {
    const [gradient] = grad([logits.sum()], [images], { createGraph: true });
    return (gradient as Tensor).square().sum([1, 2, 3]);
  });
}

/**
 * R1 before its weight γ / 2: |∇ₓ D(x)|² of each real image, [N].
 * Mescheder et al., "Which Training Methods for GANs do actually Converge?" (2018), equation 9.
 * @param logits D(images) [N, 1], computed from `images`
 * @param images reals [N, C, H, W], requiring gradients
 */
export function r1Penalty(logits: Tensor, images: Tensor): Tensor {
  return squaredGradientNorms(logits, images);
}

/**
 * R2 before its weight γ / 2: |∇ₓ D(x)|² of each fake image, [N].
 * Mescheder et al. (2018), equation 10.
 * @param logits D(images) [N, 1], computed from `images`
 * @param images fakes [N, C, H, W], requiring gradients and detached from the generator
 */
export function r2Penalty(logits: Tensor, images: Tensor): Tensor {
  return squaredGradientNorms(logits, images);
}

/**
 * The images at which `wganGpPenalty` measures the slope: x̂ = fake + m (real - fake), [N, C, H, W], a leaf that
 * requires gradients.
 * Gulrajani et al., "Improved Training of Wasserstein GANs" (2017), algorithm 1.
 */
export function interpolate({
  real,
  fake,
  mix,
}: {
  real: Tensor; // [N, C, H, W]
  fake: Tensor; // [N, C, H, W]
  /** m of each pair, [N]; drawn from U[0, 1) when absent. */
  mix?: Tensor;
}): Tensor {
  const [n = 0] = real.shape;
  if (String(real.shape) !== String(fake.shape) || (mix && String(mix.shape) !== String([n]))) {
    const came = `reals [${real.shape}], fakes [${fake.shape}]${mix ? `, mix [${mix.shape}]` : ""}`;
    throw new Error(`interpolate: ${came}, expected reals and fakes of one shape [N, C, H, W] and mix [N]`);
  }
  const between = noGrad(() => {
    const m = mix ?? rand([n], { device: real.device, dtype: real.dtype });
    return fake.add(real.sub(fake).mul(m.reshape([n, 1, 1, 1])));
  });
  return between.setRequiresGrad(true);
}

// √ has an infinite slope at 0, which times the zero slope of the squares in it is NaN: one image with a gradient
// of exactly 0 would spoil the whole step. Against norms that matter, 1e-12 is lost in rounding.
const normEpsilon = 1e-12;

/**
 * WGAN-GP before its weight: (|∇ₓ D(x̂)| - target)² of each interpolated image, [N]. The weight is λ in Gulrajani
 * et al. (2017), equation 3, whose target is 1. For other targets it is λ / target², as Karras et al., "Progressive
 * Growing of GANs" (2018), have it in the appendix on CIFAR-10 (target 750).
 */
export function wganGpPenalty({
  logits,
  images,
  target,
}: {
  /** D(images) [N, 1], computed from `images`. */
  logits: Tensor;
  /** x̂ of `interpolate`, [N, C, H, W]. */
  images: Tensor;
  target: number;
}): Tensor {
  return scope(() => squaredGradientNorms(logits, images).add(normEpsilon).sqrt().sub(target).square());
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
 * Path length regularization before its weight: (|J_wᵀ y| - a)² of each sample, [N], with the path lengths [N]
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
