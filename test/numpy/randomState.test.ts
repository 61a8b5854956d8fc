import { describe, expect, it } from "vitest";
import { RandomState } from "../../src/numpy/randomState.js";
import { classRows, latentsOfSeed, latentsOfSeeds } from "../../src/synthesis/latents.js";
import { scope } from "../../src/torch/scope.js";
import { fixtureTensors } from "../helpers.js";

describe("RandomState", () => {
  it("gives NumPy's numbers, to the last bit", () => {
    // numpy.random.RandomState(0).randn(5)
    expect([...new RandomState(0).randn(5)]).toEqual([
      1.764052345967664, 0.4001572083672233, 0.9787379841057392, 2.240893199201458, 1.8675579901499675,
    ]);
  });

  it("is one sequence, however it is cut into calls", () => {
    const whole = new RandomState(7).randn(1500); // the state of 624 words is renewed several times
    const state = new RandomState(7);
    const parts = [3, 1, 0, 496, 1000].flatMap((count) => [...state.randn(count)]);
    expect(parts).toEqual([...whole]);
  });

  it.each([-1, 0.5, 2 ** 32, Number.NaN])("refuses seed %s", (seed) => {
    expect(() => new RandomState(seed)).toThrow(/whole number from 0 to 4294967295/);
  });

  it("takes the largest seed", () => {
    expect([...new RandomState(2 ** 32 - 1).randn(4)].every(Number.isFinite)).toBe(true);
  });
});

describe("latents", () => {
  it("are those of NVIDIA's tools for seeds 0 to 3", () =>
    scope(() => {
      const z = fixtureTensors("nvidia-stylegan2.expected.safetensors")("z");
      const [count, zDim] = z.shape as [number, number];
      const seeds = Array.from({ length: count }, (_, seed) => seed);
      expect(latentsOfSeeds(seeds, zDim).toFloat32Array()).toEqual(z.toFloat32Array());
    }));

  it("of a list of seeds do not depend on the rest of the list", () =>
    scope(() => {
      const list = latentsOfSeeds([5, 9, 5], 6).toFloat32Array();
      expect(list.subarray(0, 6)).toEqual(list.subarray(12));
      expect(list.subarray(6, 12)).toEqual(latentsOfSeeds([9], 6).toFloat32Array());
    }));

  it("of one seed go on where the row before ended", () =>
    scope(() => {
      const wanted = Float32Array.from(new RandomState(3).randn(12));
      expect(latentsOfSeed(3, 4, 3).toFloat32Array()).toEqual(wanted);
    }));

  it("classes become rows with a single 1", () =>
    scope(() => {
      expect([...(classRows([2, 0], 3)?.toFloat32Array() ?? [])]).toEqual([0, 0, 1, 1, 0, 0]);
      expect(classRows([0], 0)).toBeNull();
    }));
});
