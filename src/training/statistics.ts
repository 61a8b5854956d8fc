// Means of what the phases report, collected over a tick.

import { noGrad } from "../torch/autograd.js";
import { cat } from "../torch/ops.js";
import type { Tensor } from "../torch/tensor.js";

/** A loss or regularizer that is not a number any more. Training stops; what is on disk is from before. */
export class DivergenceError extends Error {
  override name = "DivergenceError";
}

export class Statistics {
  readonly #sums = new Map<string, { sum: number; count: number }>();
  #pending: { phase: string; name: string; mean: Tensor; count: number }[] = [];

  /** Remembers the mean of each tensor. Nothing is read from the device before `collect`. */
  add(phase: string, stats: Readonly<Record<string, Tensor>>): void {
    for (const [name, values] of Object.entries(stats)) {
      const mean = noGrad(() => values.detach().mean()).keep();
      this.#pending.push({ phase, name, mean, count: values.numel });
    }
  }

  /**
   * Reads what has been added since the last call.
   * @throws DivergenceError that names the phase of a value that is not finite
   */
  collect(): void {
    if (this.#pending.length === 0) return;
    const pending = this.#pending;
    this.#pending = [];
    const values = noGrad(() =>
      cat(
        pending.map(({ mean }) => mean.reshape([1])),
        0,
      ).toFloat32Array(),
    );
    for (const { mean } of pending) mean.dispose();
    for (const [i, { phase, name, count }] of pending.entries()) {
      const value = values[i] as number;
      if (!Number.isFinite(value)) throw new DivergenceError(`${name} became ${value} in phase ${phase}`);
      const entry = this.#sums.get(name) ?? { sum: 0, count: 0 };
      this.#sums.set(name, { sum: entry.sum + value * count, count: entry.count + count });
    }
  }

  /** The means since the last call, by name. */
  takeMeans(): Record<string, number> {
    const means = Object.fromEntries([...this.#sums].map(([name, { sum, count }]) => [name, sum / count]));
    this.#sums.clear();
    return means;
  }

  /** What is not yet in `takeMeans`, for a saved state. */
  get state(): Record<string, { sum: number; count: number }> {
    return Object.fromEntries(this.#sums);
  }

  restore(state: Readonly<Record<string, { sum: number; count: number }>>): void {
    this.#sums.clear();
    for (const [name, entry] of Object.entries(state)) this.#sums.set(name, { ...entry });
  }
}
