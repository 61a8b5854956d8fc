import { describe, expect, it } from "vitest";
import type { Histogram } from "../../src/protocol/runFiles.js";
import { ValueHistogram } from "../../src/training/valueHistogram.js";
import { numbers } from "../torch/numeric.js";

function histogramOf(values: readonly number[]): Histogram {
  const histogram = new ValueHistogram();
  for (const value of values) histogram.add(value);
  return histogram.histogram;
}

describe("ValueHistogram", () => {
  it.each([0.3, 7, 5000])("counts values up to %f in the bins that hold them", (scale) => {
    const next = numbers(3);
    const values = Array.from({ length: 500 }, () => (next() - 0.3) * scale);
    const { width, first, counts } = histogramOf(values);
    for (const [i, count] of counts.entries()) {
      const [low, high] = [(first + i) * width, (first + i + 1) * width];
      expect(count).toBe(values.filter((value) => value >= low && value < high).length);
    }
    expect(counts.reduce((sum, count) => sum + count)).toBe(500);
    // As fine as 64 bins allow.
    expect(width).toBeLessThanOrEqual((2 * scale) / 16);
  });

  it("does not depend on the order of the values", () => {
    const values = [0, -1e-9, 0.5, 31.99, -200, 3e4, -3e4, 1];
    expect(histogramOf(values)).toEqual(histogramOf([...values].reverse()));
  });

  it("goes on from a saved one", () => {
    const next = numbers(4);
    const values = Array.from({ length: 100 }, () => (next() - 0.5) * 40);
    const restored = ValueHistogram.from(
      JSON.parse(JSON.stringify(histogramOf(values.slice(0, 60)))) as Histogram,
    );
    for (const value of values.slice(60)) restored.add(value);
    expect(restored.histogram).toEqual(histogramOf(values));
  });

  it("is empty without values", () => {
    expect(histogramOf([]).counts).toEqual([]);
  });
});
