// One buffer for all parameters of a network, so that the optimizer and the moving average are a handful of large operators
// instead of several for each of a hundred small tensors.

import { noGrad } from "./autograd.js";
import type { Module } from "./module.js";
import { cat, stack, zeros } from "./ops.js";
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
      tensors.map((tensor) => tensor.detach().asStrided([tensor.numel], [1])),
      0,
    );
    forEachPart(flat, tensors, (part, tensor) => tensor.setData(part));
    return flat;
  }).keep();
}

/**
 * The parameters of one network in one buffer. Their gradients stay where `backward` made them: adding each to a buffer
 * of zeros would read and write all of them twice more.
 */
export class FlatParameters {
  /** [total elements] */
  readonly values: Tensor;
  readonly parameters: readonly Tensor[];
  /** Of the parameters, in their order. */
  readonly names: readonly string[];

  constructor(module: Module) {
    const named = module.namedParameters();
    this.names = named.map(([name]) => name);
    this.parameters = named.map(([, parameter]) => parameter);
    this.values = layFlat(this.parameters);
  }

  /** The part of `buffer`, one of this size, that belongs to each parameter. */
  partsOf(buffer: Tensor): Tensor[] {
    const parts: Tensor[] = [];
    forEachPart(buffer, this.parameters, (part) => parts.push(part));
    return parts;
  }

  /** The gradients [total elements], 0 where there is none. The parameters have none afterwards. */
  takeGradients(): Tensor {
    return noGrad(() => {
      const { device, dtype, shape } = this.values;
      const gradients = zeros(shape, { device, dtype });
      forEachPart(gradients, this.parameters, (part, parameter) => {
        const gradient = parameter.grad();
        if (gradient) part.copy_(gradient);
        parameter.setGrad(null);
      });
      return gradients;
    });
  }

  /** Forgets the gradients that there are. */
  dropGradients(): void {
    for (const parameter of this.parameters) parameter.setGrad(null);
  }

  /**
   * What to multiply the gradients by so that their norm over all parameters is at most `maxNorm`. Those that an
   * optimizer would not use as they are (`cleanGradient`) are cleaned first. Waits for the device.
   */
  clipScale(maxNorm: number): number {
    return noGrad(() => {
      const gradients = this.parameters.flatMap((parameter) => parameter.grad() ?? []);
      const normOfAll = () =>
        gradients.length === 0
          ? 0
          : stack(
              gradients.map((gradient) => gradient.norm()),
              0,
            )
              .norm()
              .item();
      let norm = normOfAll();
      // A norm within the limit has no element beyond it, and none that is not a number.
      if (!(norm <= gradientLimit)) {
        for (const gradient of gradients) cleanGradient(gradient);
        norm = normOfAll();
      }
      return norm > maxNorm ? maxNorm / norm : 1;
    });
  }

  dispose(): void {
    this.values.dispose();
  }
}

/** Elements that are not numbers become 0, the others are clamped to ± `gradientLimit`. */
export function cleanGradient(gradient: Tensor): void {
  const [nan, posinf, neginf] = [0, gradientLimit, -gradientLimit];
  gradient.nanToNum_({ nan, posinf, neginf }).clamp_(-gradientLimit, gradientLimit);
}

function forEachPart(
  flat: Tensor,
  tensors: readonly Tensor[],
  visit: (part: Tensor, tensor: Tensor) => void,
): void {
  let start = 0;
  for (const tensor of tensors) {
    const offset = start;
    const part = scope(() => flat.narrow(0, offset, tensor.numel).asStrided(tensor.shape, tensor.strides));
    visit(part, tensor);
    start += tensor.numel;
  }
}
