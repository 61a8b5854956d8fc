// Adam on flat parameters.
// Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), Algorithm 1.

import { noGrad } from "./autograd.js";
import { cleanGradient, type FlatParameters, gradientLimit } from "./flat.js";
import { adamKernel, hasKernels } from "./kernels.js";
import { zeros } from "./ops.js";
import { scope } from "./scope.js";
import { type State, type Stateful, tensorIn } from "./state.js";
import type { Tensor } from "./tensor.js";

export interface AdamOptions {
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
}

export class Adam implements Stateful {
  readonly options: AdamOptions;
  /** Learning rate of the next step; `options.lr` at first. */
  lr: number;
  /** [total elements]; with β1 = 0 it would be the gradient of the last step, and is not kept. */
  readonly firstMoment: Tensor | undefined;
  /** [total elements] */
  readonly secondMoment: Tensor;
  steps = 0;
  readonly #flat: FlatParameters;

  constructor(flat: FlatParameters, options: AdamOptions) {
    this.#flat = flat;
    this.lr = options.lr;
    this.options = options;
    const like = { device: flat.values.device, dtype: flat.values.dtype };
    this.firstMoment = options.beta1 === 0 ? undefined : zeros(flat.values.shape, like).keep();
    this.secondMoment = zeros(flat.values.shape, like).keep();
  }

  /**
   * One update from the parameters' gradients, which are gone afterwards. Elements that are not numbers count as 0, the
   * others are clamped to ± `gradientLimit`, then multiplied by `gradientScale`.
   */
  step({ gradientScale = 1 }: { gradientScale?: number } = {}): void {
    const { lr, firstMoment, secondMoment } = this;
    const { beta1, beta2, eps } = this.options;
    const { values, parameters } = this.#flat;
    this.steps += 1;
    // θ -= lr m̂ / (√v̂ + eps), with m̂ = m / (1 - β1^t) and v̂ = v / (1 - β2^t)
    const stepSize = lr / (1 - beta1 ** this.steps);
    const correction2 = 1 - beta2 ** this.steps;
    if (hasKernels(values)) {
      const constants = { beta1, beta2, eps, stepSize, correction2, gradientScale, gradientLimit };
      adamKernel({ values, parameters, firstMoment, secondMoment }, constants);
      return;
    }
    noGrad(() => {
      const gradients = this.#flat.takeGradients();
      cleanGradient(gradients);
      if (gradientScale !== 1) gradients.mul_(gradientScale);
      // m = β1 m + (1 - β1) g;  v = β2 v + (1 - β2) g²
      firstMoment?.lerp_(gradients, 1 - beta1);
      secondMoment.mul_(beta2).addcmul_(gradients, gradients, 1 - beta2);
      const denominator = secondMoment.div(correction2).sqrt_().add(eps);
      values.addcdiv_(firstMoment ?? gradients, denominator, -stepSize);
    });
  }

  /** The moments by the names of their parameters, no matter how these lie in memory; none of the first kind when it is not kept. */
  state(): State {
    return { tensors: this.#moments(), values: { steps: this.steps } };
  }

  restore(state: State): void {
    const steps = (state.values as { steps?: unknown } | undefined)?.steps;
    if (!Number.isSafeInteger(steps)) throw new Error(`steps is ${steps}`);
    scope(() => {
      for (const [name, moment] of this.#moments()) {
        const saved = tensorIn(state, name);
        // A mean of squares: its root would be no number, some steps from now.
        if (name.startsWith("second.") && saved.sub(saved.abs()).abs().sum().item() > 0)
          throw new Error(`${name} has negative elements, the file is damaged`);
        moment.copy_(saved);
      }
    });
    this.steps = steps as number;
  }

  /** Forgets the moments, as at the beginning. */
  reset(): void {
    this.firstMoment?.zero_();
    this.secondMoment.zero_();
    this.steps = 0;
  }

  #moments(): Map<string, Tensor> {
    const { firstMoment, secondMoment } = this;
    const { names } = this.#flat;
    const named = (kind: string, buffer: Tensor) =>
      this.#flat.partsOf(buffer).map((part, i): [string, Tensor] => [`${kind}.${names[i]}`, part]);
    return new Map([...(firstMoment ? named("first", firstMoment) : []), ...named("second", secondMoment)]);
  }

  dispose(): void {
    this.firstMoment?.dispose();
    this.secondMoment.dispose();
  }
}
