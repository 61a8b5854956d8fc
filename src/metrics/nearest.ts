// The nearest of many features, which are seen a batch at a time and not kept.

import { noGrad } from "../torch/autograd.js";
import { matmul } from "../torch/ops.js";
import type { Tensor } from "../torch/tensor.js";

export interface Neighbour {
  /** Of the candidate, in the order of their coming. */
  index: number;
  /** Euclidean. */
  distance: number;
}

export interface NearestOptions {
  /** Neighbours of each query. */
  count: number;
  /** Of each query, candidates that it is itself in another form. */
  own?: (query: number) => readonly number[];
}

/** For each row of the queries [Q, F], the `count` nearest of all candidates that are added. */
export class NearestNeighbours {
  readonly #queries: Tensor; // [Q, F], float64
  readonly #norms: Tensor; // [Q, 1]
  readonly #options: NearestOptions;
  /** Of each query, nearest first. */
  readonly #found: Neighbour[][];
  #candidates = 0;

  constructor(queries: Tensor, options: NearestOptions) {
    this.#queries = noGrad(() => queries.toDevice("cpu").to("float64").clone()).keep();
    this.#norms = noGrad(() => this.#queries.square().sum([1], true)).keep();
    this.#options = options;
    this.#found = Array.from({ length: queries.size(0) }, () => []);
  }

  /** The next candidates, [N, F]. */
  add(features: Tensor): void {
    const squares = noGrad(() => {
      const x = features.toDevice("cpu").to("float64");
      // ‖q - x‖² = ‖q‖² + ‖x‖² - 2 q·x, in float64 since little is left of large numbers where two are alike
      const products = matmul(this.#queries, x.permute([1, 0]));
      return products
        .mul(-2)
        .add(this.#norms)
        .add(x.square().sum([1]))
        .toArray();
    });
    const width = features.size(0);
    const { count, own } = this.#options;
    for (const [query, found] of this.#found.entries()) {
      const excluded = own?.(query) ?? [];
      for (let i = 0; i < width; i++) {
        const distance = Math.sqrt(Math.max(Number(squares[query * width + i]), 0));
        const index = this.#candidates + i;
        if (found.length === count && distance >= (found.at(-1) as Neighbour).distance) continue;
        if (excluded.includes(index)) continue;
        const place = found.findIndex((other) => other.distance > distance);
        found.splice(place < 0 ? found.length : place, 0, { index, distance });
        if (found.length > count) found.pop();
      }
    }
    this.#candidates += width;
  }

  /** Of each query, nearest first. */
  get neighbours(): readonly (readonly Neighbour[])[] {
    return this.#found;
  }

  dispose(): void {
    this.#queries.dispose();
    this.#norms.dispose();
  }
}
