import { describe, expect, it } from "vitest";
import { movedMean, pathLengthPenalty, unbiasedMean } from "../../src/losses/pathLength.js";
import { grad } from "../../src/torch/autograd.js";
import { scope } from "../../src/torch/scope.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";
import { checkGradients, doubles, expectNear, leaf, sampleTensor } from "../torch/numeric.js";

describe("pathLengthPenalty", () => {
  it("is (|Jᵀ y| - a)² with the norm averaged in squares over the layers, and moves the mean", () =>
    scope(() => {
      const ws = leaf([2, 3, 4], 1); // [N, L, wDim]
      const matrix = sampleTensor([3, 4, 8], 2); // image = Σ_l w_l A_l, linear in w
      const images = ws.unsqueeze(3).mul(matrix.unsqueeze(0)).sum([1, 2]).reshape([2, 2, 2, 2]);
      const noise = sampleTensor([2, 2, 2, 2], 3);
      const mean = tensor(Float64Array.from([0.25]), []);
      const result = pathLengthPenalty({ images, ws, mean, decay: 0.1, noise });
      const [a, y] = [doubles(matrix), doubles(noise)];
      const lengths = [0, 1].map((n) => {
        let square = 0;
        for (let row = 0; row < 12; row++) {
          let dot = 0;
          for (let p = 0; p < 8; p++) dot += (a[row * 8 + p] as number) * ((y[n * 8 + p] as number) / 2);
          square += dot ** 2;
        }
        return Math.sqrt(square / 3);
      }) as [number, number];
      const newMean = 0.25 + 0.1 * ((lengths[0] + lengths[1]) / 2 - 0.25);
      expectNear(doubles(result.lengths), lengths, 1e-12);
      expect(result.mean.item()).toBeCloseTo(newMean, 12);
      expectNear(
        doubles(result.penalty),
        lengths.map((length) => (length - newMean) ** 2),
        1e-10,
      );
      expect(mean.item()).toBe(0.25);
      expect(result.mean.requiresGrad).toBe(false);
    }));

  it("can be differentiated by the generator's weights", () =>
    scope(() => {
      const ws = leaf([2, 2, 3], 1);
      const weight = leaf([3], 2);
      const noise = sampleTensor([2, 1, 1, 3], 3);
      const mean = tensor(Float64Array.from([0.1]), []);
      const penalty = () => {
        const images = ws.sum([1]).square().mul(weight.square()).reshape([2, 1, 1, 3]);
        // decay 0: the mean is a constant to autograd, and is one to finite differences as well.
        return pathLengthPenalty({ images, ws, mean, decay: 0, noise }).penalty;
      };
      checkGradients(penalty, [weight], { order: 1 });
    }));

  it("with the mean in the gradient: its share of each length is differentiated too", () =>
    scope(() => {
      const ws = leaf([2, 2, 3], 1);
      const weight = leaf([3], 2);
      const noise = sampleTensor([2, 1, 1, 3], 3);
      const mean = tensor(Float64Array.from([0.1]), []);
      const penalty = (meanInGradient: boolean) => {
        const images = ws.sum([1]).square().mul(weight.square()).reshape([2, 1, 1, 3]);
        return pathLengthPenalty({ images, ws, mean, decay: 0.3, noise, meanInGradient }).penalty.mean();
      };
      // Finite differences see every way from the weights to the penalty, the mean's included.
      checkGradients(() => penalty(true), [weight], { order: 1 });
      expect(penalty(true).item()).toBe(penalty(false).item());
      const [inside, outside] = [true, false].map((inGradient) =>
        doubles(grad([penalty(inGradient)], [weight])[0] as Tensor),
      ) as [Float64Array, Float64Array];
      expect(Math.max(...inside.map((x, i) => Math.abs(x - (outside[i] as number))))).toBeGreaterThan(1e-3);
    }));
});

describe("the mean that lengths are pulled to", () => {
  const lengths = () => leaf([3], 4);

  it("moved: a share of the way to the mean of these lengths", () =>
    scope(() => {
      const mean = tensor(Float64Array.from([2]), []);
      const [a, b, c] = doubles(lengths()) as unknown as [number, number, number];
      const moved = movedMean({ mean, lengths: lengths(), decay: 0.25, inGradient: false });
      expect(moved.item()).toBeCloseTo(2 + 0.25 * ((a + b + c) / 3 - 2), 12);
      expect(moved.requiresGrad).toBe(false);
      expect(movedMean({ mean, lengths: lengths(), decay: 0.25, inGradient: true }).requiresGrad).toBe(true);
    }));

  it("unbiased: constant lengths are their own mean from the first update on", () =>
    scope(() => {
      let mean = tensor(Float64Array.from([0]), []);
      for (let updates = 1; updates < 6; updates++) {
        mean = mean.lerp(tensor(Float64Array.from([7]), []), 0.1);
        expect(unbiasedMean({ mean, decay: 0.1, updates }).item()).toBeCloseTo(7, 12);
      }
    }));
});
