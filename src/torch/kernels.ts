// The addon's own operators: what training spends its time on beside the convolutions, in one pass each way.
//
// They serve float32 and float64 on the CPU. Everything else, and a program that has switched them off, uses the
// compositions of libtorch's operators that stand beside their calls in src/layers; tests hold one against the other.

import { op, opMany, opVoid } from "./dispatch.js";
import { engine, type Handle } from "./engine.js";
import { Tensor } from "./tensor.js";

const ops = {
  affine: op("stylegan::affine"),
  resample: op("stylegan::resample2d"),
  withEnergy: opMany("stylegan::weight_with_energy"),
  adam: opVoid("stylegan::adam_"),
  approach: opVoid("stylegan::approach_"),
};

let enabled = process.env.STYLEGAN_KERNELS !== "off";

/**
 * Switches the kernels on or off, fast convolutions among them, and returns what was before. `STYLEGAN_KERNELS=off` starts
 * without them.
 */
export function enableKernels(on: boolean): boolean {
  const before = enabled;
  enabled = on;
  engine.setFastConvolutions(on);
  return before;
}

/** Runs with libtorch's direct convolutions, for what lives on the last digits: fast ones lose about one bit more. */
export function withDirectConvolutions<Result>(run: () => Result): Result {
  const before = engine.setFastConvolutions(false);
  try {
    return run();
  } finally {
    engine.setFastConvolutions(before);
  }
}

/** Whether there is a kernel for this tensor's device and type, and kernels are switched on. */
export function hasKernels(x: Tensor): boolean {
  return enabled && x.device === "cpu" && (x.dtype === "float32" || x.dtype === "float64");
}

export interface AffineOptions {
  /** [N, C] */
  scale?: Tensor | undefined;
  scaleGain?: number;
  /** [C] */
  bias?: Tensor | undefined;
  biasGain?: number;
  /** [1 or N, 1, H, W] */
  noise?: Tensor | undefined;
  /** One element. */
  noiseStrength?: Tensor | undefined;
  noiseGain?: number;
  /** Slope of the leaky ReLU below zero. Default 1: none. */
  slope?: number;
  /** Largest magnitude of the result. Default: none. */
  clamp?: number | null;
  /** The result may take x's place: nobody reads x any more. Default false. */
  overwrite?: boolean;
}

/** clamp(lrelu(x · scale · scaleGain + bias · biasGain + noise · noiseStrength · noiseGain)) for x [N, C, H, W]. */
export function affineKernel(x: Tensor, options: AffineOptions): Tensor {
  const {
    scale,
    bias,
    noise,
    noiseStrength,
    scaleGain = 1,
    biasGain = 1,
    noiseGain = 1,
    slope = 1,
    clamp = null,
    overwrite = false,
  } = options;
  const gains = [scaleGain, biasGain, noiseGain];
  return new Tensor(
    ops.affine(...[x, scale, bias, noise, noiseStrength], ...gains, slope, clamp ?? 0, overwrite),
  );
}

export interface ResampleOptions {
  up?: number;
  down?: number;
  /** Zeros before the first pixel of the up-sampled input. */
  padding: number;
  /** Height and width of the result. */
  size: readonly [number, number];
  gain?: number;
}

/**
 * y[o] = gain · Σ_k filter[k] z[o · down + k - padding] in both directions, for x [N, C, H, W] and filter [K, K], where z
 * is x with up - 1 zeros after each pixel, and zeros outside. The filter gets no gradient.
 */
export function resampleKernel(x: Tensor, filter: Tensor, options: ResampleOptions): Tensor {
  const { up = 1, down = 1, padding, size, gain = 1 } = options;
  return new Tensor(ops.resample(x, filter, up, down, padding, size, gain));
}

/** A weight [O, I, kH, kW] to go on with, and its energy Σ_k w_oik² [O, I]: the gradients of both meet in one pass. */
export function withEnergyKernel(weight: Tensor): { weight: Tensor; energy: Tensor } {
  const [same, energy] = ops.withEnergy(weight) as [Handle, Handle];
  return { weight: new Tensor(same), energy: new Tensor(energy) };
}

export interface AdamKernelOptions {
  beta1: number;
  beta2: number;
  eps: number;
  /** lr / (1 - β1^t) */
  stepSize: number;
  /** 1 - β2^t */
  correction2: number;
  /** Gradients are clamped to ± this first; those that are not numbers count as 0. */
  gradientLimit: number;
  /** Then they are multiplied by this. */
  gradientScale: number;
}

/**
 * One step of Adam on flat buffers, `values` being those of all `parameters`, from the parameters' gradients, which are gone
 * afterwards; none counts as 0. Without β1 there is no first moment.
 */
export function adamKernel(
  buffers: {
    values: Tensor;
    parameters: readonly Tensor[];
    firstMoment: Tensor | undefined;
    secondMoment: Tensor;
  },
  options: AdamKernelOptions,
): void {
  const { values, parameters, firstMoment, secondMoment } = buffers;
  const { beta1, beta2, eps, stepSize, correction2, gradientScale, gradientLimit } = options;
  ops.adam(
    ...[values, parameters, firstMoment, secondMoment],
    ...[beta1, beta2, eps, stepSize, correction2, gradientScale, gradientLimit],
  );
}

/** a += weight · (b - a) on flat buffers. */
export function approachKernel(a: Tensor, b: Tensor, weight: number): void {
  ops.approach(a, b, weight);
}
