import { describe, expect, it } from "vitest";
import { FloatSorter } from "../../src/metrics/sort.js";
import { createRandom, gaussian } from "../../src/system/random.js";

describe("FloatSorter", () => {
  it("sorts negative numbers, zeros, tiny and huge ones", () => {
    const values = [3, -1, 0, 1e-42, -1e38, 1e38, 2.5, -1e-42, -2.5, 3, Number.POSITIVE_INFINITY, -3];
    const floats = Float32Array.from(values);
    expect(new FloatSorter(values.length).sort(floats)).toEqual(floats.slice().sort());
    expect(floats).toEqual(Float32Array.from(values));
  });

  it("sorts many, again and again, also from the middle of an array", () => {
    const random = createRandom(1, 0);
    const sorter = new FloatSorter(5000);
    for (let turn = 0; turn < 3; turn++) {
      const all = Float32Array.from({ length: 5100 }, () => gaussian(random) * 10 ** (turn * 3 - 3));
      const part = all.subarray(37, 5037);
      expect(sorter.sort(part)).toEqual(part.slice().sort());
    }
  });

  it("refuses another number of values", () => {
    expect(() => new FloatSorter(3).sort(new Float32Array(2))).toThrow(/2 values where 3/);
  });
});

describe("the metrics' random numbers", () => {
  it("depend on seed and stream alone, and are uniform and normal", () => {
    const draw = (seed: number, stream: number) => {
      const random = createRandom(seed, stream);
      return Array.from({ length: 4 }, random);
    };
    expect(draw(3, 1)).toEqual(draw(3, 1));
    expect(draw(3, 1)).not.toEqual(draw(3, 2));
    expect(draw(3, 1)).not.toEqual(draw(4, 1));
    const random = createRandom(0, 0);
    const samples = Array.from({ length: 20_000 }, () => gaussian(random));
    const mean = samples.reduce((sum, value) => sum + value, 0) / samples.length;
    const variance = samples.reduce((sum, value) => sum + (value - mean) ** 2, 0) / samples.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.04);
  });
});
