// One buffer for all parameters of a network, so that the optimizer, the moving average and the cleaning of
// gradients are a handful of large operators instead of several for each of a hundred small tensors.

import { noGrad } from "./autograd.js";
import type { Module } from "./module.js";
import { asStrided, cat, zeros } from "./ops.js";
import { scope } from "./scope.js";
import type { Tensor } from "./tensor.js";

/** Largest magnitude of a gradient that an optimizer uses; Karras et al. (2020), the published training loop. */
export const gradientLimit = 1e5;

/**
 * Moves `tensors` into one new buffer [total elements]; each becomes a view of its part and keeps its values and the
 * order of its elements in memory. The caller owns the buffer.
 */
export function layFlat(tensors: readonly Tensor[]): Tensor {
  if (tensors.length === 0) return zeros([0]).keep();
  return noGrad(() => {
    const flat = cat(
      tensors.map((tensor) => asStrided(tensor.detach(), [tensor.numel], [1])),
      0,
    );
    forEachPart(flat, tensors, (part, tensor) => tensor.setData(part));
    return flat;
  }).keep();
}

/** The parameters of one network in one buffer, and their gradients in another. */
export class FlatParameters {
  /** [total elements] */
  readonly values: Tensor;
  /** [total elements]; `backward` adds to it. */
  readonly gradients: Tensor;
  readonly parameters: readonly Tensor[];

  constructor(module: Module) {
    this.parameters = module.parameters();
    this.values = layFlat(this.parameters);
    const { device, dtype } = this.values;
    this.gradients = zeros(this.values.shape, { device, dtype }).keep();
    noGrad(() => forEachPart(this.gradients, this.parameters, (part, tensor) => tensor.setGrad(part)));
  }

  /** The part of `buffer`, one of this size, that belongs to each parameter. */
  partsOf(buffer: Tensor): Tensor[] {
    const parts: Tensor[] = [];
    forEachPart(buffer, this.parameters, (part) => parts.push(part));
    return parts;
  }

  /** Gradients that are not numbers become 0, the others are clamped to ± `gradientLimit`. */
  cleanGradients(): void {
    const [nan, posinf, neginf] = [0, gradientLimit, -gradientLimit];
    this.gradients.nanToNum_({ nan, posinf, neginf }).clamp_(-gradientLimit, gradientLimit);
  }

  /**
   * What to multiply the gradients by so that their norm over all parameters is at most `maxNorm`. Waits for the
   * device.
   */
  clipScale(maxNorm: number): number {
    let norm = noGrad(() => this.gradients.norm().item());
    // A norm within the limit has no element beyond it, and none that is not a number.
    if (!(norm <= gradientLimit)) {
      this.cleanGradients();
      norm = noGrad(() => this.gradients.norm().item());
    }
    return norm > maxNorm ? maxNorm / norm : 1;
  }

  dispose(): void {
    this.values.dispose();
    this.gradients.dispose();
  }
}

function forEachPart(
  flat: Tensor,
  tensors: readonly Tensor[],
  visit: (part: Tensor, tensor: Tensor) => void,
): void {
  let start = 0;
  for (const tensor of tensors) {
    const offset = start;
    const part = scope(() => asStrided(flat.narrow(0, offset, tensor.numel), tensor.shape, tensor.strides));
    visit(part, tensor);
    start += tensor.numel;
  }
}
