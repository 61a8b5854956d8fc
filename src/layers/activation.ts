// Activations with the gains that keep the second moment of their input.

import { affineKernel, hasKernels } from "../torch/kernels.js";
import { leakyRelu } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";

export type Activation = "linear" | "lrelu";

/** Slope of the leaky ReLU below zero, in all of the family. */
export const leakySlope = 0.2;

/** What an activation's output is multiplied by so that it keeps the magnitude of its input. */
export const activationGain: Record<Activation, number> = { linear: 1, lrelu: Math.SQRT2 };

/**
 * The activation without its gain, then a clamp to [-clamp, clamp]; null: none.
 *
 * A positive gain commutes with the leaky ReLU, so that callers multiply it into the small tensors before
 * (weights, biases, demodulation coefficients) and save a pass over the activations.
 */
export function activate(x: Tensor, activation: Activation, clamp: number | null = null): Tensor {
  const y = activation === "lrelu" ? leakyRelu(x, leakySlope) : x;
  return clamp === null ? y : y.clamp(-clamp, clamp);
}

/** The leaky ReLU without its gain. */
export function lrelu(x: Tensor): Tensor {
  return activate(x, "lrelu");
}

export interface AffineActivationOptions {
  /** What each channel of each sample is multiplied by, [N, C]. */
  scale?: Tensor | undefined;
  /** What everything is multiplied by. Default 1. */
  scaleGain?: number;
  /** [C] */
  bias?: Tensor | undefined;
  /** What the bias is multiplied by. Default 1. */
  biasGain?: number;
  /** One map for all channels, [1 or N, 1, H, W]. */
  noise?: Tensor | undefined;
  /** What the noise is multiplied by, one element; needed with noise. */
  noiseStrength?: Tensor | undefined;
  /** What the noise is multiplied by as well. Default 1. */
  noiseGain?: number;
  /** Default linear. */
  activation?: Activation;
  /** Largest magnitude of the result. */
  clamp?: number | null;
  /** The result may take x's place in memory: x is a tensor that nobody reads any more. Default false. */
  overwrite?: boolean;
}

/**
 * What follows a convolution, for x [N, C, H, W]: the activation (without its gain) of
 * x · scale · scaleGain + bias · biasGain + noise · noiseStrength · noiseGain, clamped.
 */
export function affineActivation(x: Tensor, options: AffineActivationOptions): Tensor {
  const { activation = "linear", clamp = null, ...affine } = options;
  if (hasKernels(x)) {
    const slope = activation === "lrelu" ? leakySlope : 1;
    const noiseStrength = affine.noise && affine.noiseStrength; // without noise there is nothing to multiply
    return affineKernel(x, { ...affine, noiseStrength, slope, clamp });
  }
  const { scale, bias, noise, noiseStrength, scaleGain = 1, biasGain = 1, noiseGain = 1 } = affine;
  const [n, c] = x.shape as [number, number, number, number];
  return scope(() => {
    // Small operands are float32 also where activations are not, and would make them float32 again.
    const like = (operand: Tensor) => operand.to(x.dtype);
    let y = scaleGain === 1 ? x : x.mul(scaleGain);
    if (scale) y = y.mul(like(scale).reshape([n, c, 1, 1]));
    if (bias) y = y.add(like(bias.mul(biasGain)).reshape([1, c, 1, 1]));
    if (noise && noiseStrength) y = y.add(like(noise.mul(noiseStrength.reshape([]).mul(noiseGain))));
    return activate(y, activation, clamp);
  });
}
