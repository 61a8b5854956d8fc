// What is kept of the features of a set of pictures.

import { UserError } from "../system/errors.js";
import { noGrad } from "../torch/autograd.js";
import { empty } from "../torch/ops.js";
import type { Tensor } from "../torch/tensor.js";
import { type Gaussian, Moments } from "./moments.js";

/** Mean and covariance, in memory that does not grow with the pictures, or every feature. */
export type Keep = "moments" | "all";

/** The features of a set; owned by whoever collected or read them. */
export class FeatureStatistics {
  readonly count: number;
  readonly #gaussian: Gaussian | undefined;
  readonly #features: Tensor | undefined;

  constructor(parts: { count: number; gaussian?: Gaussian | undefined; features?: Tensor | undefined }) {
    this.count = parts.count;
    this.#gaussian = parts.gaussian;
    this.#features = parts.features;
  }

  get gaussian(): Gaussian {
    if (!this.#gaussian) throw new Error("FeatureStatistics: mean and covariance were not kept");
    return this.#gaussian;
  }

  /** [count, F] */
  get features(): Tensor {
    if (!this.#features) throw new Error("FeatureStatistics: the features were not kept");
    return this.#features;
  }

  dispose(): void {
    this.#gaussian?.mean.dispose();
    this.#gaussian?.covariance.dispose();
    this.#features?.dispose();
  }
}

/** Takes the features of `most` pictures, a batch at a time. */
export class FeatureCollector {
  readonly #most: number;
  readonly #moments: Moments | undefined;
  readonly #keepsAll: boolean;
  #features: Tensor | undefined; // [most, F]
  #count = 0;

  constructor({ keep, most }: { keep: ReadonlySet<Keep>; most: number }) {
    this.#most = most;
    this.#moments = keep.has("moments") ? new Moments() : undefined;
    this.#keepsAll = keep.has("all");
  }

  /** Features [N, F]. */
  add(features: Tensor): void {
    const [count, width] = features.shape as [number, number];
    this.#moments?.add(features);
    if (this.#keepsAll)
      noGrad(() => {
        this.#features ??= empty([this.#most, width]).keep();
        if (this.#features.size(1) !== width)
          throw new UserError(`the detector gave ${width} features after ${this.#features.size(1)}`);
        this.#features.narrow(0, this.#count, count).copy_(features);
      });
    this.#count += count;
  }

  /** What has been kept; the collector is of no use any more. */
  finish(): FeatureStatistics {
    const gaussian = this.#moments?.gaussian();
    for (const part of Object.values(gaussian ?? {})) (part as Tensor).keep();
    this.#moments?.dispose();
    return new FeatureStatistics({ count: this.#count, gaussian, features: this.#features });
  }

  /** For one that is not finished. */
  dispose(): void {
    this.#moments?.dispose();
    this.#features?.dispose();
  }
}
