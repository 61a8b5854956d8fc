import { describe, expect, it } from "vitest";
import {
  manualSeed,
  rand,
  randn,
  randomGenerators,
  randomInteger,
  randomState,
  setRandomState,
  uniform,
} from "../../src/torch/random.js";
import { scope } from "../../src/torch/scope.js";
import { tensorFromBytes } from "../../src/torch/tensor.js";

const draw = (count: number) => scope(() => randn([count]).toFloat32Array());

describe("the random generator", () => {
  it.each([1, 2, 3, 5, 15, 16, 17, 33, 1000])(
    "goes on from a saved state as if nothing had been between (%i samples before and after)",
    (count) => {
      manualSeed(count);
      draw(count);
      const state = randomState("cpu");
      const wanted = [draw(count), draw(1), draw(17), draw(count), scope(() => rand([7]).toFloat32Array())];
      draw(100);
      draw(3);
      setRandomState("cpu", state);
      const again = [draw(count), draw(1), draw(17), draw(count), scope(() => rand([7]).toFloat32Array())];
      expect(again).toEqual(wanted);
      expect(new Set(wanted.flatMap((values) => [...values])).size).toBeGreaterThan(count + 10);
    },
  );

  it("a saved state is a copy", () => {
    manualSeed(1);
    const state = randomState("cpu");
    const bytes = Uint8Array.from(state);
    draw(50);
    expect(state).toEqual(bytes);
  });

  it("a seed gives the same numbers again, another seed others", () => {
    manualSeed(5);
    const first = draw(20);
    manualSeed(5);
    expect(draw(20)).toEqual(first);
    manualSeed(6);
    expect(draw(20)).not.toEqual(first);
  });

  it("refuses a state of the wrong size", () => {
    expect(() => setRandomState("cpu", new Uint8Array(3))).toThrow();
  });

  it("refuses a state that is damaged, in words, and goes on where it was", () => {
    const damaged = tensorFromBytes(randomState("cpu").fill(255), [randomState("cpu").length], "uint8");
    manualSeed(5);
    const wanted = draw(20);
    manualSeed(5);
    const state = { tensors: new Map([["cpu", damaged]]), values: {} };
    expect(() => randomGenerators("cpu").restore(state)).toThrow(
      /^the state of the random generator of cpu is damaged$/,
    );
    expect(draw(20)).toEqual(wanted);
    damaged.dispose();
  });

  it("randn has mean 0 and deviation 1; uniform and whole numbers stay in range and reach its ends", () => {
    manualSeed(0);
    const values = draw(20_000);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const square = values.reduce((sum, value) => sum + value * value, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(square - 1)).toBeLessThan(0.05);
    const seen = new Set(Array.from({ length: 300 }, () => randomInteger(3, 7)));
    expect([...seen].sort()).toEqual([3, 4, 5, 6]);
    const shares = Array.from({ length: 300 }, () => uniform());
    expect(Math.min(...shares)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...shares)).toBeLessThan(1);
    expect(Math.max(...shares) - Math.min(...shares)).toBeGreaterThan(0.9);
  });
});
