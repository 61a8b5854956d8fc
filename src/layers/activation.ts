// Activations with the gains that keep the second moment of their input.

import { leakyRelu } from "../torch/ops.js";
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
