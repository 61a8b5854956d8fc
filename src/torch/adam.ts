// Adam on flat parameters.
// Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), Algorithm 1.

import { noGrad } from "./autograd.js";
import type { FlatParameters } from "./flat.js";
import { zeros } from "./ops.js";
import type { Tensor } from "./tensor.js";

export interface AdamOptions {
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
}

export class Adam {
  readonly options: AdamOptions;
  /** Learning rate of the next step; `options.lr` at first. */
  lr: number;
  /** First and second moments, [total elements] each. */
  readonly firstMoment: Tensor;
  readonly secondMoment: Tensor;
  steps = 0;
  readonly #flat: FlatParameters;

  constructor(flat: FlatParameters, options: AdamOptions) {
    this.#flat = flat;
    this.lr = options.lr;
    this.options = options;
    const like = { device: flat.values.device, dtype: flat.values.dtype };
    this.firstMoment = zeros(flat.values.shape, like).keep();
    this.secondMoment = zeros(flat.values.shape, like).keep();
  }

  /** One update from the flat gradients. */
  step(): void {
    const { beta1, beta2, eps } = this.options;
    const { values, gradients } = this.#flat;
    this.steps += 1;
    noGrad(() => {
      // m = β1 m + (1 - β1) g;  v = β2 v + (1 - β2) g²
      this.firstMoment.lerp_(gradients, 1 - beta1);
      this.secondMoment.mul_(beta2).addcmul_(gradients, gradients, 1 - beta2);
      // θ -= lr m̂ / (√v̂ + eps), with m̂ = m / (1 - β1^t) and v̂ = v / (1 - β2^t)
      const correction1 = 1 - beta1 ** this.steps;
      const correction2 = 1 - beta2 ** this.steps;
      const denominator = this.secondMoment.div(correction2).sqrt_().add(eps);
      values.addcdiv_(this.firstMoment, denominator, -this.lr / correction1);
    });
  }

  /** Forgets the moments, as at the beginning. */
  reset(): void {
    this.firstMoment.zero_();
    this.secondMoment.zero_();
    this.steps = 0;
  }

  dispose(): void {
    this.firstMoment.dispose();
    this.secondMoment.dispose();
  }
}
