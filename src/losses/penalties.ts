// Gradient penalties of the discriminator, and the table from their names to them. Each bounds the slope of D at some
// images, so that the gradients of D with respect to images are inside of the loss.

import { grad, noGrad } from "../torch/autograd.js";
import { rand } from "../torch/random.js";
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

/** How strong each penalty is, as a run's configuration has it; 0 turns one off. */
export interface PenaltySettings {
  r1Gamma: number;
  r2Gamma: number;
  gpLambda: number;
  gpTarget: number;
}

interface Penalty {
  /** The images whose slope it reads: reals, fakes, or points between a real and a fake. */
  readonly images: "reals" | "fakes" | "between";
  /** Under this name the statistics have its mean, without the weight. */
  readonly statistic: string;
  /** What its mean is multiplied by. */
  weight(settings: PenaltySettings): number;
  /** [N], from images [N, C, H, W] that require gradients and D(images) [N, 1]. */
  values(at: { images: Tensor; logits: Tensor }, settings: PenaltySettings): Tensor;
}

/** Every gradient penalty by the name that `--penalty` takes. */
export const penalties = {
  r1: {
    images: "reals",
    statistic: "Loss/r1_penalty",
    weight: ({ r1Gamma }) => r1Gamma / 2,
    values: ({ logits, images }) => r1Penalty(logits, images),
  },
  r2: {
    images: "fakes",
    statistic: "Loss/r2_penalty",
    weight: ({ r2Gamma }) => r2Gamma / 2,
    values: ({ logits, images }) => r2Penalty(logits, images),
  },
  "wgan-gp": {
    images: "between",
    statistic: "Loss/gradient_penalty",
    weight: ({ gpLambda, gpTarget }) => gpLambda / gpTarget ** 2,
    values: ({ logits, images }, { gpTarget }) => wganGpPenalty({ logits, images, target: gpTarget }),
  },
} satisfies Record<string, Penalty>;

export type PenaltyName = keyof typeof penalties;
export const penaltyNames = Object.keys(penalties) as PenaltyName[];

/** The rows that have a weight, in the order of the table. */
export function penaltiesIn(settings: PenaltySettings): Penalty[] {
  return Object.values<Penalty>(penalties).filter(({ weight }) => weight(settings) > 0);
}
