// One buffer for all parameters of a network, so that the optimizer, the moving average and the cleaning of
// gradients are a handful of large operators instead of several for each of a hundred small tensors.

import { noGrad } from "./autograd.js";
import type { Module } from "./module.js";
import { cat, zeros } from "./ops.js";
import type { Tensor } from "./tensor.js";

/**
 * Moves `tensors` into one new buffer [total elements]; each becomes a view of its part and keeps its values.
 * The caller owns the buffer.
 */
export function layFlat(tensors: readonly Tensor[]): Tensor {
  if (tensors.length === 0) return zeros([0]).keep();
  return noGrad(() => {
    const flat = cat(
      tensors.map((tensor) => tensor.detach().reshape([tensor.numel])),
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

  /** Scales the gradients down so that their norm over all parameters is at most `maxNorm`. Waits for the device. */
  clipNorm(maxNorm: number): void {
    const norm = noGrad(() => this.gradients.square().sum().sqrt().item());
    if (norm > maxNorm) this.gradients.mul_(maxNorm / norm);
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
    visit(flat.narrow(0, start, tensor.numel).reshape(tensor.shape), tensor);
    start += tensor.numel;
  }
}
