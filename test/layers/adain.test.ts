import { describe, expect, it } from "vitest";
import { adaptiveInstanceNorm } from "../../src/layers/adain.js";
import { zeros } from "../../src/torch/ops.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { checkGradients, doubles, expectNear, imagesOf, leaf, sampleTensor } from "../torch/numeric.js";

describe("adaptiveInstanceNorm", () => {
  it("normalizes each channel of each sample, scales by 1 + the first half and adds the second", () =>
    scope(() => {
      const x = sampleTensor([2, 3, 4, 5], 1);
      const styles = sampleTensor([2, 6], 2);
      const { values } = imagesOf(x);
      const s = doubles(styles);
      const wanted = new Float64Array(values.length);
      for (let n = 0; n < 2; n++)
        for (let c = 0; c < 3; c++) {
          const start = (n * 3 + c) * 20;
          const pixels = values.subarray(start, start + 20);
          const mean = pixels.reduce((sum, value) => sum + value, 0) / 20;
          const variance = pixels.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 20;
          for (const [i, value] of pixels.entries())
            wanted[start + i] =
              ((value - mean) / Math.sqrt(variance + 1e-8)) * (1 + (s[n * 6 + c] as number)) +
              (s[n * 6 + 3 + c] as number);
        }
      expectNear(doubles(adaptiveInstanceNorm(x, styles)), wanted, 1e-12);
      const channelsLast = adaptiveInstanceNorm(x.contiguous("channelsLast"), styles);
      expectNear(doubles(channelsLast), wanted, 1e-12);
      expect(channelsLast.strides).toEqual([60, 1, 15, 3]);
    }));

  it("gives the style's bias for a constant channel", () =>
    scope(() => {
      const x = zeros([1, 2, 2, 2], { dtype: "float64" }).add(7);
      const styles = sampleTensor([1, 4], 3);
      const [, , a, b] = doubles(styles);
      expect([...doubles(adaptiveInstanceNorm(x, styles))]).toEqual([a, a, a, a, b, b, b, b]);
    }));

  it("gradients of first and second order", () =>
    scope(() => {
      const x = leaf([2, 2, 3, 3], 1);
      const styles = leaf([2, 4], 2);
      checkGradients(() => adaptiveInstanceNorm(x, styles), [x, styles], { order: 2 });
    }));

  it("refuses styles of another shape", () => {
    const before = liveTensors();
    scope(() => {
      const x = sampleTensor([2, 3, 4, 4], 1);
      expect(() => adaptiveInstanceNorm(x, sampleTensor([2, 3], 1))).toThrow(
        "adaptiveInstanceNorm: styles have shape [2,3], expected [2, 6]",
      );
    });
    expect(liveTensors()).toBe(before);
  });
});
