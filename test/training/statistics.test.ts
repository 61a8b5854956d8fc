import { describe, expect, it } from "vitest";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { tensor } from "../../src/torch/tensor.js";
import { DivergenceError, Statistics } from "../../src/training/statistics.js";

const add = (statistics: Statistics, name: string, values: number[], phase = "Dmain") =>
  scope(() => statistics.add(phase, { [name]: tensor(values) }));

describe("Statistics", () => {
  it("takes means over all values added, weighted by their number, and starts afresh after each", () => {
    const before = liveTensors();
    const statistics = new Statistics();
    add(statistics, "a", [1, 2, 3]);
    add(statistics, "a", [10]);
    add(statistics, "b", [-4, 4, 6]);
    statistics.collect();
    expect(statistics.takeMeans()).toEqual({ a: 4, b: 2 });
    expect(statistics.takeMeans()).toEqual({});
    add(statistics, "a", [5]);
    statistics.collect();
    expect(statistics.takeMeans()).toEqual({ a: 5 });
    expect(liveTensors()).toBe(before);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    "%s is a divergence that names value and phase, and leaves no tensor behind",
    (value) => {
      const before = liveTensors();
      const statistics = new Statistics();
      add(statistics, "Loss/G/loss", [1], "Gmain");
      add(statistics, "Loss/pl_penalty", [1, value], "Greg");
      add(statistics, "Loss/D/loss", [2], "Dmain");
      expect(() => statistics.collect()).toThrow(DivergenceError);
      add(statistics, "Loss/pl_penalty", [value], "Greg");
      expect(() => statistics.collect()).toThrow(/Loss\/pl_penalty.*phase Greg/);
      expect(liveTensors()).toBe(before);
    },
  );

  it("goes on from a saved state", () => {
    const [whole, first, second] = [new Statistics(), new Statistics(), new Statistics()];
    add(whole, "a", [1, 2]);
    add(first, "a", [1, 2]);
    first.collect();
    second.restore({ tensors: new Map(), values: JSON.parse(JSON.stringify(first.state().values)) });
    add(whole, "a", [7]);
    add(second, "a", [7]);
    whole.collect();
    second.collect();
    expect(second.takeMeans()).toEqual(whole.takeMeans());
  });

  it("keeps a histogram of scores beside their mean, over a saved state too", () => {
    const before = liveTensors();
    const [first, second] = [new Statistics(), new Statistics()];
    add(first, "Loss/scores/real", [1.5, -3]);
    add(first, "Loss/D/loss", [8]);
    first.collect();
    second.restore({ tensors: new Map(), values: JSON.parse(JSON.stringify(first.state().values)) });
    add(second, "Loss/scores/real", [3]);
    second.collect();
    expect(second.takeMeans()).toEqual({ "Loss/scores/real": 0.5, "Loss/D/loss": 8 });
    const { "Histogram/scores/real": real, ...others } = second.takeHistograms();
    expect(others).toEqual({});
    expect(real?.counts.filter((count) => count > 0)).toEqual([1, 1, 1]);
    expect((real?.first ?? 0) * (real?.width ?? 0)).toBe(-3);
    expect(second.takeHistograms()).toEqual({});
    expect(liveTensors()).toBe(before);
  });
});
