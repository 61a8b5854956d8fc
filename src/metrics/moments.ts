// Mean and covariance of any number of features in the memory of one matrix.

import { noGrad } from "../torch/autograd.js";
import { matmul, zeros } from "../torch/ops.js";
import type { Tensor } from "../torch/tensor.js";

/** A normal distribution in the space of features; float64, on the CPU. */
export interface Gaussian {
  mean: Tensor; // [F]
  covariance: Tensor; // [F, F]
}

/** Sums of features and of their products, in float64. */
export class Moments {
  #count = 0;
  #sum: Tensor | undefined; // [F]
  #products: Tensor | undefined; // [F, F]

  /** How many features have been added. */
  get count(): number {
    return this.#count;
  }

  /** Takes a batch of features [N, F]. */
  add(features: Tensor): void {
    noGrad(() => {
      const [count, width] = features.shape as [number, number];
      const x = features.toDevice("cpu").to("float64");
      this.#sum ??= zeros([width], { dtype: "float64" }).keep();
      this.#products ??= zeros([width, width], { dtype: "float64" }).keep();
      this.#sum.add_(x.sum([0]));
      this.#products.add_(matmul(x.permute([1, 0]), x));
      this.#count += count;
    });
  }

  /** μ = Σx / N and Σ = Σxxᵀ / N - μμᵀ: with N, as the published measures have it, and not with N - 1. */
  gaussian(): Gaussian {
    const [sum, products, count] = [this.#sum, this.#products, this.#count];
    if (!sum || !products) throw new RangeError("Moments: nothing was added");
    return noGrad(() => {
      const mean = sum.div(count);
      const covariance = products.div(count).sub(matmul(mean.unsqueeze(1), mean.unsqueeze(0)));
      return { mean, covariance };
    });
  }

  dispose(): void {
    this.#sum?.dispose();
    this.#products?.dispose();
  }
}
