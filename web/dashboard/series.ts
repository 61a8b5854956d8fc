// The statistics of a run as columns of numbers, and what of them a chart of some width can show.

import type { HistogramPoint, HistoryBlock } from "../../src/protocol/api.js";
import type { EventRow, StatsRow } from "../../src/protocol/runFiles.js";

// Beyond this every second histogram is dropped: a picture of them over time is no wider.
const mostHistograms = 600;

/** Numbers that grow at their end; NaN where there is no value. */
class Column {
  #values = new Float64Array(256);
  length = 0;

  get values(): Float64Array {
    return this.#values.subarray(0, this.length);
  }

  /** `value` at `index`, with NaN in between. */
  set(index: number, value: number): void {
    if (index >= this.#values.length) {
      const larger = new Float64Array(2 ** Math.ceil(Math.log2(index + 1)) * 2);
      larger.set(this.values);
      this.#values = larger;
    }
    if (index > this.length) this.#values.fill(Number.NaN, this.length, index);
    this.#values[index] = value;
    this.length = Math.max(this.length, index + 1);
  }
}

export class Series {
  length = 0;
  readonly events: EventRow[] = [];
  histograms: HistogramPoint[] = [];
  readonly #columns = new Map<string, Column>();

  get names(): string[] {
    return [...this.#columns.keys()];
  }

  has(name: string): boolean {
    return this.#columns.has(name);
  }

  /** All values of a column, as many as there are ticks. */
  column(name: string): Float64Array {
    let column = this.#columns.get(name);
    if (!column) return new Float64Array(this.length).fill(Number.NaN);
    if (column.length < this.length) {
      column = this.#columns.get(name) as Column;
      column.set(this.length - 1, Number.NaN);
    }
    return column.values;
  }

  /** The last value of a column that is one. */
  last(name: string): number | null {
    const values = this.#columns.get(name)?.values ?? [];
    for (let i = values.length - 1; i >= 0; i--) if (!Number.isNaN(values[i])) return values[i] as number;
    return null;
  }

  append({ length, columns, events, histograms }: HistoryBlock): void {
    for (const [name, values] of Object.entries(columns)) {
      const column = this.#columnNamed(name);
      for (const [i, value] of values.entries()) if (value !== null) column.set(this.length + i, value);
    }
    this.length += length;
    this.events.push(...events);
    this.#addHistograms(histograms);
  }

  appendRows(rows: readonly StatsRow[]): void {
    for (const row of rows) {
      if ("event" in row) {
        this.events.push(row as EventRow);
        continue;
      }
      for (const [name, value] of Object.entries(row))
        if (typeof value === "number") this.#columnNamed(name).set(this.length, value);
      this.length += 1;
      const { "Histogram/scores/real": real, "Histogram/scores/fake": fake } = row as Record<string, unknown>;
      if (real || fake)
        this.#addHistograms([
          { nimg: row.nimg, ...(real ? { real } : {}), ...(fake ? { fake } : {}) } as HistogramPoint,
        ]);
    }
  }

  #columnNamed(name: string): Column {
    let column = this.#columns.get(name);
    if (!column) {
      column = new Column();
      this.#columns.set(name, column);
    }
    return column;
  }

  #addHistograms(points: readonly HistogramPoint[]): void {
    this.histograms.push(...points);
    while (this.histograms.length > mostHistograms)
      this.histograms = this.histograms.filter((_, i) => i % 2 === 0 || i === this.histograms.length - 1);
  }
}

/** x and any number of y over it, as a chart draws them; null is a gap. */
export interface Points {
  x: number[];
  ys: (number | null)[][];
}

/**
 * What a chart with `width` columns of pixels shows of columns between x0 and x1: every point while they are few, else the
 * smallest and the largest value of each column of pixels, so that no peak is lost.
 * @param xs ascending
 */
export function decimate(
  xs: Float64Array,
  yss: readonly Float64Array[],
  { x0, x1, width }: { x0: number; x1: number; width: number },
): Points {
  // One more on each side, so that lines reach the edges.
  const start = Math.max(lowerBound(xs, x0) - 1, 0);
  const end = Math.min(lowerBound(xs, x1) + 2, xs.length);
  const count = end - start;
  if (count <= 2 * width) {
    return {
      x: Array.from(xs.subarray(start, end)),
      ys: yss.map((ys) => Array.from(ys.subarray(start, end), orGap)),
    };
  }
  const x: number[] = [];
  const ys: (number | null)[][] = yss.map(() => []);
  for (let bucket = 0; bucket < width; bucket++) {
    const from = start + Math.floor((bucket * count) / width);
    const to = start + Math.floor(((bucket + 1) * count) / width);
    x.push(xs[from] as number, xs[(from + to) >> 1] as number);
    for (const [k, values] of yss.entries()) ys[k]?.push(...extremes(values, from, to));
  }
  return { x, ys };
}

/** The smallest and the largest value of a part, in the order in which they come. */
function extremes(values: Float64Array, from: number, to: number): [number | null, number | null] {
  let low = -1;
  let high = -1;
  for (let i = from; i < to; i++) {
    const value = values[i] as number;
    if (Number.isNaN(value)) continue;
    if (low < 0 || value < (values[low] as number)) low = i;
    if (high < 0 || value > (values[high] as number)) high = i;
  }
  if (low < 0) return [null, null];
  const [first, second] = low < high ? [low, high] : [high, low];
  return [values[first] as number, values[second] as number];
}

/** An exponential moving average, corrected for its start; `weight` 0 leaves the values as they are. */
export function smoothed(values: Float64Array, weight: number): Float64Array {
  if (weight === 0) return values;
  const result = new Float64Array(values.length);
  let mean = 0;
  let total = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (!Number.isNaN(value)) {
      mean = weight * mean + (1 - weight) * value;
      total = weight * total + (1 - weight);
    }
    result[i] = Number.isNaN(value) ? Number.NaN : mean / total;
  }
  return result;
}

const orGap = (value: number) => (Number.isNaN(value) ? null : value);

/** The first index whose value is at least x. */
function lowerBound(xs: Float64Array, x: number): number {
  let low = 0;
  let high = xs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((xs[middle] as number) < x) low = middle + 1;
    else high = middle;
  }
  return low;
}
