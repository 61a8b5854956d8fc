// The distribution of values of which neither range nor number is known before.

import type { Histogram } from "../protocol/runFiles.js";

const bins = 64;
const half = bins / 2;
// A power of two, as every width that follows from it: edges stay exact.
const finestWidth = 2 ** -6;

/**
 * Counts values in 64 bins around 0. When a value lies outside, the bins become twice as wide and pairs of them one, so
 * that the counts depend on the values alone and not on their order. Memory is constant.
 */
export class ValueHistogram {
  #width = finestWidth;
  #counts: number[] = new Array<number>(bins).fill(0);

  /** @param value finite */
  add(value: number): void {
    let bin = Math.floor(value / this.#width) + half;
    while (bin < 0 || bin >= bins) {
      this.#widen();
      bin = Math.floor(value / this.#width) + half;
    }
    this.#counts[bin] = (this.#counts[bin] as number) + 1;
  }

  /** Without the empty bins at both ends. */
  get histogram(): Histogram {
    const filled = (count: number) => count > 0;
    const first = this.#counts.findIndex(filled);
    const last = this.#counts.findLastIndex(filled);
    if (first < 0) return { width: this.#width, first: 0, counts: [] };
    return { width: this.#width, first: first - half, counts: this.#counts.slice(first, last + 1) };
  }

  /** One that goes on from a saved histogram. */
  static from({ width, first, counts }: Histogram): ValueHistogram {
    const restored = new ValueHistogram();
    restored.#width = width;
    for (const [i, count] of counts.entries()) restored.#counts[first + half + i] = count;
    return restored;
  }

  #widen(): void {
    const old = this.#counts;
    // Bins 2k and 2k + 1 from 0 become bin k; half is even, so pairs stay pairs.
    const quarter = half / 2;
    const counts = new Array<number>(bins).fill(0);
    for (let bin = 0; bin < half; bin++)
      counts[quarter + bin] = (old[2 * bin] as number) + (old[2 * bin + 1] as number);
    this.#counts = counts;
    this.#width *= 2;
  }
}
