import { describe, expect, it } from "vitest";
import { minibatchStdDev, pixelNorm } from "../../src/layers/normalization.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { tensor } from "../../src/torch/tensor.js";
import { checkGradients, doubles, expectNear, imagesOf, leaf, sampleTensor } from "../torch/numeric.js";

describe("pixelNorm", () => {
  it("gives every sample a mean square of 1 and keeps its direction", () =>
    scope(() => {
      const x = tensor(Float64Array.from([3, 4, 0, 0, 1e3, 1e3]), [3, 2]);
      const root = Math.SQRT2;
      expectNear(doubles(pixelNorm(x)), [(3 / 5) * root, (4 / 5) * root, 0, 0, 1, 1], 1e-8);
    }));

  it("works over channels of images, pixel by pixel", () =>
    scope(() => {
      const y = imagesOf(pixelNorm(sampleTensor([2, 5, 3, 3], 1)));
      for (let n = 0; n < 2; n++)
        for (let pixel = 0; pixel < 9; pixel++) {
          let square = 0;
          for (let c = 0; c < 5; c++) square += (y.values[(n * 5 + c) * 9 + pixel] as number) ** 2;
          expect(square / 5).toBeCloseTo(1, 6);
        }
    }));

  it("gradients of first and second order", () =>
    scope(() => {
      const x = leaf([3, 4], 1);
      checkGradients(() => pixelNorm(x), [x], { order: 2 });
    }));
});

describe("minibatchStdDev", () => {
  /** Sample n is in group n mod (N / G). */
  function naive(x: ReturnType<typeof imagesOf>, group: number, features: number): Float64Array {
    const [n, c, h, w] = x.shape;
    const groups = n / group;
    const perFeature = c / features;
    const out = new Float64Array(n * (c + features) * h * w);
    const at = (a: number, b: number, p: number) => x.values[(a * c + b) * h * w + p] as number;
    for (let a = 0; a < n; a++) {
      const members = Array.from({ length: group }, (_, i) => (a % groups) + i * groups);
      for (let b = 0; b < c; b++)
        for (let p = 0; p < h * w; p++) out[(a * (c + features) + b) * h * w + p] = at(a, b, p);
      for (let f = 0; f < features; f++) {
        let total = 0;
        for (let b = f * perFeature; b < (f + 1) * perFeature; b++)
          for (let p = 0; p < h * w; p++) {
            const mean = members.reduce((sum, member) => sum + at(member, b, p), 0) / group;
            const variance = members.reduce((sum, member) => sum + (at(member, b, p) - mean) ** 2, 0) / group;
            total += Math.sqrt(variance + 1e-8);
          }
        out.fill(
          total / (perFeature * h * w),
          (a * (c + features) + c + f) * h * w,
          (a * (c + features) + c + f + 1) * h * w,
        );
      }
    }
    return out;
  }

  it.each([
    { n: 8, group: 4, features: 1 },
    { n: 6, group: 2, features: 1 },
    { n: 4, group: 4, features: 2 },
    { n: 8, group: 2, features: 4 },
    { n: 3, group: 4, features: 1 }, // the batch is smaller than the group: one group of all
    { n: 3, group: 1, features: 1 },
  ])("batch $n in groups of $group with $features features, against plain loops", ({ n, group, features }) =>
    scope(() => {
      const x = sampleTensor([n, 4, 3, 2], n);
      const y = minibatchStdDev(x, { groupSize: group, numNewFeatures: features });
      expect(y.shape).toEqual([n, 4 + features, 3, 2]);
      expectNear(doubles(y), naive(imagesOf(x), Math.min(group, n), features), 1e-10);
    }),
  );

  it("only samples of one group share their deviation", () =>
    scope(() => {
      const x = sampleTensor([4, 1, 1, 1], 1);
      const [a, b, c, d] = doubles(minibatchStdDev(x, { groupSize: 2 }).narrow(1, 1, 1));
      expect([a, b]).toEqual([c, d]);
      expect(a).not.toBeCloseTo(b as number, 6);
    }));

  it("refuses a batch that is no multiple of the group, and channels that do not divide", () => {
    const before = liveTensors();
    const x = sampleTensor([6, 3, 2, 2], 1);
    expect(() => minibatchStdDev(x, { groupSize: 4 })).toThrow(/batch 6 is not a multiple of the group 4/);
    expect(() => minibatchStdDev(x, { groupSize: 3, numNewFeatures: 2 })).toThrow(/3 channels .* 2 features/);
    x.dispose();
    expect(liveTensors()).toBe(before);
  });

  it("gradients of first and second order", () =>
    scope(() => {
      const x = leaf([4, 2, 2, 2], 1);
      checkGradients(() => minibatchStdDev(x, { groupSize: 2 }).square(), [x], { order: 2 });
    }));
});
