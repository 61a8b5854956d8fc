// Means of what the phases report, and histograms of the scores, collected over a tick.

import { z } from "zod";
import { type Histogram, histogramSchema } from "../protocol/runFiles.js";
import { noGrad } from "../torch/autograd.js";
import { cat } from "../torch/ops.js";
import type { State, Stateful } from "../torch/state.js";
import type { Tensor } from "../torch/tensor.js";
import { ValueHistogram } from "./valueHistogram.js";

/** A loss or regularizer that is not a number any more. Training stops; what is on disk is from before. */
export class DivergenceError extends Error {
  override name = "DivergenceError";
}

/** The sums behind the means, and the histograms, of a tick that is not over. */
const stateSchema = z.strictObject({
  sums: z.record(z.string(), z.strictObject({ sum: z.number(), count: z.number() })),
  histograms: z.record(z.string(), histogramSchema),
});

interface Pending {
  phase: string;
  name: string;
  /** [1]: the mean; for what has a histogram every value, [count]. */
  values: Tensor;
  count: number;
}

// What the discriminator says of a picture: one number each, so that reading them all costs nothing.
const hasHistogram = (name: string) => name.startsWith("Loss/scores/");
const histogramName = (name: string) => name.replace("Loss/", "Histogram/");

export class Statistics implements Stateful {
  readonly #sums = new Map<string, { sum: number; count: number }>();
  readonly #histograms = new Map<string, ValueHistogram>();
  #pending: Pending[] = [];

  /** Remembers the mean of each tensor, and every value of scores. Nothing is read from the device before `collect`. */
  add(phase: string, stats: Readonly<Record<string, Tensor>>): void {
    for (const [name, values] of Object.entries(stats)) {
      const kept = noGrad(() =>
        hasHistogram(name) ? values.detach().reshape([-1]).clone() : values.detach().mean().reshape([1]),
      ).keep();
      this.#pending.push({ phase, name, values: kept, count: values.numel });
    }
  }

  /** A number of this step, such as a setting that adapts. */
  addNumber(name: string, value: number): void {
    const entry = this.#sums.get(name) ?? { sum: 0, count: 0 };
    this.#sums.set(name, { sum: entry.sum + value, count: entry.count + 1 });
  }

  /**
   * Reads what has been added since the last call.
   * @throws DivergenceError that names the phase of a value that is not finite
   */
  collect(): void {
    if (this.#pending.length === 0) return;
    const pending = this.#pending;
    this.#pending = [];
    const all = noGrad(() =>
      cat(
        pending.map(({ values }) => values),
        0,
      ).toFloat32Array(),
    );
    let start = 0;
    for (const { values } of pending) values.dispose();
    for (const { phase, name, count } of pending) {
      const length = hasHistogram(name) ? count : 1;
      const values = all.subarray(start, start + length);
      start += length;
      const mean = values.reduce((sum, value) => sum + value, 0) / length;
      if (!Number.isFinite(mean)) throw new DivergenceError(`${name} became ${mean} in phase ${phase}`);
      const entry = this.#sums.get(name) ?? { sum: 0, count: 0 };
      this.#sums.set(name, { sum: entry.sum + mean * count, count: entry.count + count });
      if (hasHistogram(name)) this.#histogramOf(name, values);
    }
  }

  /** The means since the last call, by name. */
  takeMeans(): Record<string, number> {
    const means = Object.fromEntries([...this.#sums].map(([name, { sum, count }]) => [name, sum / count]));
    this.#sums.clear();
    return means;
  }

  /** The histograms since the last call, by name ("Histogram/scores/real"). */
  takeHistograms(): Record<string, Histogram> {
    const histograms = this.#histogramsByName();
    this.#histograms.clear();
    return histograms;
  }

  /**
   * What has not been taken yet.
   * @throws DivergenceError as `collect`: no state is saved that has diverged
   */
  state(): State {
    this.collect();
    const values = { sums: Object.fromEntries(this.#sums), histograms: this.#histogramsByName() };
    return { tensors: new Map(), values };
  }

  restore({ values }: State): void {
    const { sums, histograms } = stateSchema.parse(values);
    this.#sums.clear();
    for (const [name, entry] of Object.entries(sums)) this.#sums.set(name, { ...entry });
    this.#histograms.clear();
    for (const [name, saved] of Object.entries(histograms))
      this.#histograms.set(name, ValueHistogram.from(saved));
  }

  #histogramsByName(): Record<string, Histogram> {
    return Object.fromEntries([...this.#histograms].map(([name, { histogram }]) => [name, histogram]));
  }

  #histogramOf(name: string, values: Float32Array): void {
    const key = histogramName(name);
    let histogram = this.#histograms.get(key);
    if (!histogram) {
      histogram = new ValueHistogram();
      this.#histograms.set(key, histogram);
    }
    for (const value of values) histogram.add(value);
  }
}
